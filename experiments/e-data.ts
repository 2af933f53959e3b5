import { join } from 'node:path';
import type { ExperimentContext } from '../src/cli/experiment.ts';
import { chooseClasses, type ImageSet, scaleTo, trainTestSplit } from '../src/index.ts';
import { loadNpy, saveNpy } from '../src/io/load-save.ts';
import { paragraph } from '../src/report/blocks.ts';
import { count } from '../src/report/format.ts';

/** Five of Fashion-MNIST's ten classes. The coursework does not name its classes. */
export const classes = ['T-shirt/top', 'Trouser', 'Dress', 'Bag', 'Ankle boot'];

/** Writes the coursework's four files to a folder: `dataset/train_images.npy` (n x 784) and so on. */
export function saveDataset(folder: string, { train, test }: { train: ImageSet; test: ImageSet }): void {
  for (const [part, { images, labels, size }] of Object.entries({ train, test })) {
    saveNpy(join(folder, 'dataset', `${part}_images.npy`), {
      shape: [size, images.length / size],
      data: new Uint8Array(images),
    });
    saveNpy(join(folder, 'dataset', `${part}_labels.npy`), { shape: [size], data: new Uint8Array(labels) });
  }
}

/** Reads these files as the coursework does; rows of 784 become images of 28 x 28. */
export function loadDataset(folder: string): { train: ImageSet; test: ImageSet } {
  const load = (part: string): ImageSet => {
    const images = loadNpy(join(folder, 'dataset', `${part}_images.npy`)).data as Uint8Array;
    const labels = loadNpy(join(folder, 'dataset', `${part}_labels.npy`)).data as Uint8Array;
    return { images, labels, size: labels.length, shape: [28, 28, 1], classes };
  };
  return { train: load('train'), test: load('test') };
}

/** Prepares the data: images in host memory, loaders with pixels in -1..1, and a paragraph for reports. */
export function prepareDataset(context: ExperimentContext) {
  const { train: all, test: allTests } = context.images('fashion-mnist');
  saveDataset(context.folder, { train: chooseClasses(all, classes), test: chooseClasses(allTests, classes) });
  const { train: labeled, test } = loadDataset(context.folder);
  const { train, test: validation } = trainTestSplit(labeled, { testSize: 0.1, seed: 42 });
  const loader = (set: ImageSet) => context.loader(set, scaleTo(-1, 1));
  const about = paragraph(
    `The coursework does not name its five classes; here they are ${classes.join(', ')} of Fashion-MNIST. ` +
      "The images are written to .npy files in the run's folder and read from there, as the coursework reads its files: " +
      `${count(train.size)} images for training, ${count(validation.size)} for validation and ${count(test.size)} for testing. ` +
      "The validation images are drawn by seed 42, but with tilegrad's shuffle instead of scikit-learn's, so they differ from the coursework's. " +
      'Pixels become -1..1, as the comments in the coursework say; its printed code lacks the "- 1", which gives 0..2.',
  );
  return {
    images: { train, validation, test },
    train: loader(train),
    validation: loader(validation),
    test: loader(test),
    about,
  };
}

export type Dataset = ReturnType<typeof prepareDataset>;
