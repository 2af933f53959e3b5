import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ExperimentContext, Settings } from '../src/cli/experiment.ts';
import { Dense, Dropout, FileError, Flatten, type Layer, Rescaling, Resizing, Sequential } from '../src/index.ts';
import type { Training } from '../src/report/training.ts';
import { trainSeeds } from './seeds.ts';
import { type Confusion, earlyStopping, trainingName, VALIDATION_SPLIT } from './vgg.ts';

// B9 and B10: MobileNetV2, pretrained on ImageNet, with the small VGG's dense layers on top.

/** Rows and columns that the images are scaled up to inside the model. The coursework does not state them. */
export const SIDE = 96;

/** The checkpoint for 224 x 224, which Keras takes for images of sizes that have none of their own. */
export const checkpoint = { alpha: 1, rows: 224, includeTop: false } as const;

const compile = () => ({ optimizer: 'adam' as const, loss: 'sparseCategoricalCrossentropy' as const });

/** Keras's 156 layers, input and head counted, without the first 36: what B10 trains of the extractor begins with this one. */
const FIRST_TRAINED = 'block_4_expand';

/** Pixels of 0..1 to -1..1, as the extractor's weights expect them: Keras's `x / 127.5 - 1` of 0..255. */
const scaledPixels = { scale: 2, offset: -1 };
/** Keras's function on pixels of 0..1, which it takes for 0..255. */
const pixelsScaledTwice = { scale: 1 / 127.5, offset: -1 };

/** The extractor with what goes before and behind it; the images are scaled up inside the model. */
async function network(
  weights: readonly string[],
  pixels: typeof scaledPixels,
  head: Layer[],
  trained: 'none' | 'last',
): Promise<Sequential> {
  // Loaded when a row needs it: `tilegrad list` needs no Dawn.
  const { mobileNetV2 } = await import('../src/node.ts');
  const extractor = await mobileNetV2({ inputShape: [SIDE, SIDE, 3], includeTop: false, weights });
  const first = extractor.layers.indexOf(extractor.getLayer(FIRST_TRAINED));
  for (const [i, layer] of extractor.layers.entries()) layer.trainable = trained === 'last' && i >= first;
  return new Sequential([
    new Rescaling({ ...pixels, inputShape: [32, 32, 3] }),
    new Resizing({ height: SIDE, width: SIDE }),
    extractor,
    ...head,
  ]);
}

const dense = (units: number) => new Dense({ units, activation: 'relu' });
const last = () => new Dense({ units: 10, activation: 'softmax' });

/** B9: the extractor is frozen. */
const frozenNetwork = ({ weightFiles }: ExperimentContext, pixels: typeof scaledPixels) =>
  network(weightFiles, pixels, [new Flatten(), dense(256), dense(64), last()], 'none');

/** B10: dropout in the head, whose weights have the same names. */
const fineTunedNetwork = ({ weightFiles }: ExperimentContext) =>
  network(
    weightFiles,
    scaledPixels,
    [new Flatten(), new Dropout(0.2), dense(256), new Dropout(0.3), dense(64), new Dropout(0.3), last()],
    'last',
  );

type Scales<S extends Settings> = { full: S; short: Partial<S>; smoke: Partial<S> };

export const transferSettings = {
  full: { epochs: 8, batchSize: 32, replicas: 3 },
  short: { epochs: 4, limit: 4500, testLimit: 1000, replicas: 1 },
  smoke: { epochs: 1, limit: 18, testLimit: 8, replicas: 1 },
} satisfies Scales<Settings>;

export const fineTuneSettings = {
  full: { epochs: 60, batchSize: 32, replicas: 1, headEpochs: 8 },
  short: { epochs: 3, limit: 4500, testLimit: 1000, headEpochs: 4 },
  smoke: { epochs: 1, limit: 18, testLimit: 8, headEpochs: 1 },
} satisfies Scales<FineTuneSettings>;

/** `headEpochs`: of B9, with whose weights it begins. */
export type FineTuneSettings = Settings & { headEpochs: number };

/** Where B9 keeps the weights that B10 begins with. */
const weightsPath = (lab: ExperimentContext, seed: number) =>
  join(lab.folder, 'weights', `transfer-${lab.scale}-seed-${seed}.safetensors`);

/** What B9 and B10 share: the last 2/9 of the training images for validation, figures of the test images, logs for TensorBoard. */
function specOf(lab: ExperimentContext) {
  const { train, test } = lab.loaders('cifar10');
  return { compile, data: train, validationSplit: VALIDATION_SPLIT, testData: test, tensorBoard: true };
}

/** B9's training: what the frozen extractor gives is computed once for each image. Its weights are kept for B10. */
export function trainTransfer(lab: ExperimentContext, epochs: number): Promise<Training<Confusion>> {
  const { test } = lab.loaders('cifar10');
  return trainSeeds(lab, trainingName(lab, 'transfer'), {
    ...specOf(lab),
    epochs,
    createModel: () => frozenNetwork(lab, scaledPixels),
    cacheFeatures: true,
    async measure({ model, seed, confusion }) {
      const { saveWeights } = await import('../src/node.ts');
      await saveWeights(model, weightsPath(lab, seed));
      return confusion(test);
    },
  });
}

/** The same with pixels that were divided by 255 before the network's own preprocessing, which takes them for 0..255: all but black. */
export function trainTransferScaledTwice(lab: ExperimentContext, epochs: number): Promise<Training<Confusion>> {
  const { test } = lab.loaders('cifar10');
  const name = `${trainingName(lab, 'transfer-scaled-twice')}-seed-${lab.seed}`;
  return lab.train(name, {
    ...specOf(lab),
    ...{ epochs, replicas: 1 },
    createModel: () => frozenNetwork(lab, pixelsScaledTwice),
    cacheFeatures: true,
    measure: ({ confusion }) => confusion(test),
  });
}

/** B10's training goes on from B9's of the same seed, `head`. */
export function trainFineTuned(lab: ExperimentContext, head: ExperimentContext): Promise<Training<Confusion>> {
  const { test } = lab.loaders('cifar10');
  return trainSeeds(lab, trainingName(lab, 'fine-tuned'), (seed) => ({
    ...specOf(lab),
    async createModel() {
      const { loadWeights } = await import('../src/node.ts');
      const path = weightsPath(head, seed);
      if (!existsSync(path)) {
        throw new FileError(
          `B10 begins with the weights of B9, but ${path} is gone; delete ${join(head.folder, 'parts')}/transfer-*, and B9 is trained again`,
        );
      }
      const model = await fineTunedNetwork(lab);
      loadWeights(model, path);
      return model;
    },
    cacheFeatures: true,
    callbacks: earlyStopping,
    measure: ({ confusion }) => confusion(test),
  }));
}

/** Which weights those are, for reports. */
export const aboutWeights =
  'The extractor has the weights that Keras publishes for MobileNetV2, alpha 1.0, trained on images of 224 x 224: the file is named under "What was run".';
