import type { ExperimentContext, Network } from '../src/cli/experiment.ts';
import {
  Conv2D,
  Dense,
  Dropout,
  EarlyStopping,
  Flatten,
  type Layer,
  MaxPooling2D,
  type Regularizer,
  regularizers,
  Sequential,
} from '../src/index.ts';
import type { Training } from '../src/report/training.ts';
import { trainSeeds } from './seeds.ts';

// The small VGG of coursework B, its variations in B1 to B8, and their training.

/** Options in which the variations differ. */
interface VggOptions {
  /** Filters of the convolutions of each block. */
  blocks?: number[][];
  /** Units of the dense layers before the last one. */
  dense?: number[];
  kernelSize?: number;
  /** Rate of dropout after each block and each dense layer except the last. */
  dropout?: number;
  /** Penalty on every kernel except that of the last layer, as in the coursework's code. */
  kernelRegularizer?: Regularizer;
  /** Whether the convolutions have no padding, except the last one, whose input is 3 x 3. */
  valid?: boolean;
  /** Number of poolings after the last block. */
  lastPoolings?: number;
}

const baseBlocks = [
  [32, 32],
  [64, 64],
  [128, 128],
];
const scaledBlocks = (factor: number) => baseBlocks.map((block) => block.map((filters) => filters * factor));

function vgg(options: VggOptions = {}): Network {
  const { blocks = baseBlocks, dense = [256, 64], kernelSize = 3, dropout, kernelRegularizer } = options;
  const { valid = false, lastPoolings = 2 } = options;
  const createModel = () => {
    const dropoutLayers = (): Layer[] => (dropout === undefined ? [] : [new Dropout(dropout)]);
    const last = blocks.flat().length - 1;
    let n = 0;
    const conv = (filters: number): Layer => {
      const padding = valid && n < last ? ('valid' as const) : ('same' as const);
      const first = n++ === 0 ? { inputShape: [32, 32, 3] } : {};
      return new Conv2D({ filters, kernelSize, activation: 'relu', padding, kernelRegularizer, ...first });
    };
    return new Sequential([
      ...blocks.flatMap((filters, i) => [
        ...filters.map(conv),
        ...Array.from({ length: i < blocks.length - 1 ? 1 : lastPoolings }, () => new MaxPooling2D()),
        ...dropoutLayers(),
      ]),
      new Flatten(),
      ...dense.flatMap((units) => [new Dense({ units, activation: 'relu', kernelRegularizer }), ...dropoutLayers()]),
      new Dense({ units: 10, activation: 'softmax' }),
    ]);
  };
  return { createModel, compile: () => ({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' }) };
}

const l1l2 = (l1: number, l2: number) => vgg({ kernelRegularizer: regularizers.l1l2({ l1, l2 }) });

/** The networks of B1 to B8, by the names of their trainings. */
export const networks = {
  base: vgg(),
  'two-blocks': vgg({
    blocks: [
      [32, 32],
      [16, 16],
    ],
    dense: [64],
    lastPoolings: 1,
  }),
  'four-blocks': vgg({ blocks: [...baseBlocks, [256, 256]], dense: [512, 128, 32], lastPoolings: 1 }),
  'kernels-5x5': vgg({ kernelSize: 5 }),
  doubled: vgg({ blocks: scaledBlocks(2) }),
  halved: vgg({ blocks: scaledBlocks(1 / 2) }),
  quartered: vgg({ blocks: scaledBlocks(1 / 4) }),
  'padding-valid': vgg({ valid: true, lastPoolings: 1 }),
  'dropout-0.1': vgg({ dropout: 0.1 }),
  'dropout-0.2': vgg({ dropout: 0.2 }),
  'dropout-0.3': vgg({ dropout: 0.3 }),
  'l1l2-small': l1l2(1e-5, 1e-4),
  'l1l2-large': l1l2(0.3, 0.3),
} satisfies Record<string, Network>;

export type VggName = keyof typeof networks;

/** `counts[true class][predicted class]` of the test images. */
export type Confusion = number[][];

/** The coursework's callback. The weights stay those of the last epoch, as by default in Keras. */
export const earlyStopping = () => [new EarlyStopping({ monitor: 'valAccuracy', patience: 5 })];

/** Share of the training images for validation: the last ones in stored order. */
export const VALIDATION_SPLIT = 2 / 9;

/** Returns the name of a training; at the short scale it is another training. */
export const trainingName = (context: ExperimentContext, name: string): string =>
  context.scale === 'short' ? `${name}-short` : name;

/** Trains a variation once for each seed. @param replicas number of seeds; default: the experiment's setting */
export function trainVgg(context: ExperimentContext, name: VggName, replicas?: number): Promise<Training<Confusion>> {
  const scaled = context.variation(name);
  const { train, test } = scaled.loaders('cifar10');
  return trainSeeds(scaled, trainingName(scaled, name), {
    ...networks[name],
    ...(replicas === undefined ? {} : { replicas }),
    data: train,
    validationSplit: VALIDATION_SPLIT,
    testData: test,
    callbacks: earlyStopping,
    tensorBoard: true,
    measure: ({ confusion }) => confusion(test),
  });
}
