import {
  Adam,
  Add,
  BatchNormalization,
  Conv2D,
  Dense,
  type Device,
  Dropout,
  type EpochLogs,
  GlobalAveragePooling2D,
  input,
  type Layer,
  Model,
  ReLU,
  Rescaling,
  type Sequential,
  Sequential as SequentialModel,
} from '../../src/node.ts';
import { drawImages } from './images.ts';

// A small network with frozen first layers, for tests of `cacheFeatures`.

export const SIZE = 22;
export const SHAPE: [number, number, number] = [6, 6, 2];
export const images = drawImages(SIZE, { classes: 3, shape: SHAPE });

/** An extractor with a residual sum; its convolutions and batch norms are in a nested model. */
export function extractor(): Model {
  const x = input(SHAPE);
  const conv = new Conv2D({ filters: 4, kernelSize: 3, padding: 'same', kernelRegularizer: 'l2' }).apply(x);
  const first = new ReLU().apply(new BatchNormalization({ name: 'norm' }).apply(conv));
  const second = new Conv2D({ filters: 4, kernelSize: 3, padding: 'same', name: 'second' }).apply(first);
  return new Model({ inputs: x, outputs: new Add({ name: 'sum' }).apply([first, second]), name: 'extractor' });
}

/** The trained layers. They include a dropout, after a frozen one whose output is not used. */
export const head = (units = 3) => [
  new GlobalAveragePooling2D({ name: 'pooled' }),
  new Dropout(0.4),
  new Dense({ units: 5, activation: 'relu', kernelRegularizer: 'l2', name: 'hidden' }),
  new BatchNormalization(),
  new Dropout(0.2),
  units === 3 ? new Dense({ units, activation: 'softmax' }) : new Dense({ units }),
];

/** Pixels to -1..1, the frozen extractor and the head. */
export const layers = (): Layer[] => {
  const features = extractor();
  features.trainable = false;
  return [new Rescaling({ scale: 2, offset: -1, inputShape: SHAPE }), features, ...head()];
};

export function compiled(
  device: Device,
  all: Layer[],
  options: { loss?: 'meanSquaredError'; seed?: number } = {},
): Sequential {
  const { loss = 'sparseCategoricalCrossentropy', seed = 3 } = options;
  const model = new SequentialModel(all).build(device, { seed });
  return model.compile({ optimizer: new Adam({ learningRate: 0.02 }), loss });
}

export const withoutTimes = ({ seconds, samplesPerSecond, ...logs }: EpochLogs) => logs;

export async function bitsOf(model: Model): Promise<number[][]> {
  const { device, parameters } = model;
  return Promise.all(parameters.buffers.map(async ({ storage }) => [...new Uint32Array(await device.read(storage))]));
}
