import type { ImageSet } from '../data/types.ts';
import { Adam, Conv2D, Dense, type Device, Flatten, ImageLoader, MaxPooling2D, Sequential } from '../index.ts';
import type { EpochLogs } from '../training/callbacks/logs.ts';

const STEPS = 12;
const SAMPLES = 64;

/** Creates images of two classes that any working training separates: the left or the right half is bright. */
function createBrightHalves(): ImageSet {
  const [height, width] = [12, 12];
  const images = new Uint8Array(SAMPLES * height * width);
  const labels = new Uint8Array(SAMPLES);
  for (let image = 0; image < SAMPLES; image++) {
    labels[image] = image % 2;
    for (let pixel = 0; pixel < height * width; pixel++) {
      const isRight = pixel % width >= width / 2;
      const bright = isRight === (labels[image] === 1);
      images[image * height * width + pixel] = (bright ? 160 : 20) + ((image * 37 + pixel * 11) % 64);
    }
  }
  return { images, labels, size: SAMPLES, shape: [height, width, 1], classes: ['left', 'right'] };
}

/**
 * Trains a small network with every kernel that a LeNet-5 needs. One batch contains all images, so each returned epoch is one training
 * step.
 */
export async function trainSmallNetwork(device: Device): Promise<EpochLogs[]> {
  const loader = new ImageLoader(device, createBrightHalves());
  const model = new Sequential([
    new Conv2D({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [12, 12, 1] }),
    new MaxPooling2D({ poolSize: 2 }),
    new Flatten(),
    new Dense({ units: 8, activation: 'relu' }),
    new Dense({ units: 2, activation: 'softmax' }),
  ]);
  try {
    model.build(device, { seed: 1 });
    model.compile({
      optimizer: new Adam({ learningRate: 0.01 }),
      loss: 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
    });
    const { epochs } = await model.fit(loader, { epochs: STEPS, batchSize: SAMPLES, seed: 1 });
    return epochs;
  } finally {
    model.dispose();
    loader.dispose();
  }
}
