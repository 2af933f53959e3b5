import {
  BatchNormalization,
  Conv2D,
  Dense,
  type Device,
  Dropout,
  Flatten,
  type ImageSet,
  type Initializer,
  type Layer,
  LeakyReLU,
  MaxPooling2D,
  type Model,
  regularizers,
  Sequential,
  SparseCategoricalCrossentropy,
} from '../src/node.ts';
import { mobilenet, mobilenetFinetune, setKernels } from './mobilenet.ts';

export type ModelName = 'lenet' | 'vgg' | 'mlp' | 'mlpbn' | 'cnnbn' | 'mobilenet' | 'mobilenetFinetune';

/** Initializer and rate of dropout of a network; a comparison with other engines sets both. */
export interface ModelOptions {
  kernelInitializer?: Initializer;
  dropout?: number;
}

/** Shape of a sample of each model. */
export const SAMPLE: Record<ModelName, [number, number, number]> = {
  lenet: [32, 32, 3],
  vgg: [32, 32, 3],
  mlp: [28, 28, 1],
  mlpbn: [28, 28, 1],
  cnnbn: [32, 32, 3],
  mobilenet: [96, 96, 3],
  mobilenetFinetune: [32, 32, 3],
};

/** Experiment A1. */
function lenet({ kernelInitializer }: ModelOptions): Layer[] {
  const conv = (filters: number) => new Conv2D({ filters, kernelSize: 5, activation: 'relu', kernelInitializer });
  const first = { filters: 6, kernelSize: 5, inputShape: SAMPLE.lenet, kernelInitializer } as const;
  return [
    new Conv2D({ ...first, activation: 'relu' }),
    new MaxPooling2D(),
    conv(16),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 120, activation: 'relu', kernelInitializer }),
    new Dense({ units: 84, activation: 'relu', kernelInitializer }),
    new Dense({ units: 10, activation: 'softmax', kernelInitializer }),
  ];
}

/** Experiment B1. */
function vgg({ kernelInitializer }: ModelOptions): Layer[] {
  const conv = (filters: number, inputShape?: typeof SAMPLE.vgg) =>
    new Conv2D({ filters, kernelSize: 3, padding: 'same', activation: 'relu', kernelInitializer, inputShape });
  return [
    ...[conv(32, SAMPLE.vgg), conv(32), new MaxPooling2D()],
    ...[conv(64), conv(64), new MaxPooling2D()],
    ...[conv(128), conv(128), new MaxPooling2D(), new MaxPooling2D()],
    new Flatten(),
    new Dense({ units: 256, activation: 'relu', kernelInitializer }),
    new Dense({ units: 64, activation: 'relu', kernelInitializer }),
    new Dense({ units: 10, activation: 'softmax', kernelInitializer }),
  ];
}

/** Experiment D5. */
function mlp({ kernelInitializer }: ModelOptions): Layer[] {
  return [
    new Flatten({ inputShape: SAMPLE.mlp }),
    new Dense({ units: 32, activation: 'relu', kernelInitializer }),
    new Dense({ units: 10, activation: 'softmax', kernelInitializer }),
  ];
}

/** A network of experiment C1's search. */
export const MLPBN = { hidden: 5, width: 128, l2: 1e-5, dropout: 0.1 };

function mlpbn({ kernelInitializer, dropout = MLPBN.dropout }: ModelOptions): Layer[] {
  const kernelRegularizer = regularizers.l2(MLPBN.l2);
  const hidden = () => [
    new Dense({ units: MLPBN.width, kernelInitializer, kernelRegularizer }),
    new BatchNormalization(),
    new LeakyReLU(),
    new Dropout(dropout),
  ];
  return [
    new Flatten({ inputShape: SAMPLE.mlpbn }),
    ...Array.from({ length: MLPBN.hidden }, hidden).flat(),
    new Dense({ units: 10, kernelInitializer, kernelRegularizer }),
  ];
}

/** Experiment D10. */
function cnnbn({ kernelInitializer, dropout = 0.2 }: ModelOptions): Layer[] {
  const conv = (filters: number) =>
    new Conv2D({ filters, kernelSize: 3, padding: 'same', activation: 'relu', kernelInitializer });
  const first = { filters: 32, kernelSize: 3, padding: 'same', useBias: false, inputShape: SAMPLE.cnnbn } as const;
  return [
    new Conv2D({ ...first, activation: 'relu', kernelInitializer }),
    ...[new Dropout(dropout), new BatchNormalization(), new MaxPooling2D()],
    ...[conv(64), new BatchNormalization(), new MaxPooling2D()],
    ...[conv(64), new BatchNormalization(), new MaxPooling2D(), new Dropout(dropout)],
    ...[conv(128), new BatchNormalization(), new MaxPooling2D()],
    ...[conv(128), new BatchNormalization(), new Dropout(dropout)],
    new Flatten(),
    ...[new Dense({ units: 128, activation: 'relu', kernelInitializer }), new BatchNormalization()],
    new Dense({ units: 10, activation: 'softmax', kernelInitializer }),
  ];
}

const layersOf = { lenet, vgg, mlp, mlpbn, cnnbn };

/** Returns a network of the courseworks on a device, compiled with Adam and cross-entropy. */
export function modelOn(
  device: Device,
  name: ModelName,
  { replicas = 1, recompute = false, ...options }: ModelOptions & { replicas?: number; recompute?: boolean } = {},
): Model {
  const { kernelInitializer, dropout } = options;
  const loss = new SparseCategoricalCrossentropy({ fromLogits: name === 'mlpbn' });
  const buildAndCompile = (model: Model) => {
    model.recompute = recompute;
    return model.build(device, { replicas }).compile({ optimizer: 'adam', loss });
  };
  if (name !== 'mobilenet' && name !== 'mobilenetFinetune') {
    return buildAndCompile(new Sequential(layersOf[name](options), name));
  }
  const model = buildAndCompile(name === 'mobilenet' ? mobilenet() : mobilenetFinetune(dropout !== 0));
  if (kernelInitializer) setKernels(device, model, kernelInitializer);
  return model;
}

/** Returns images of noise in ten classes, the same for the same size. Their content does not change the time of a step. */
export function noise(size: number, shape: [number, number, number]): ImageSet {
  let state = 1;
  // The "minimal standard" generator: for millions of pixels, the engine's generator would take seconds.
  const next = () => {
    state = (state * 48271) % 2147483647;
    return state;
  };
  return {
    images: Uint8Array.from({ length: size * shape[0] * shape[1] * shape[2] }, () => next() >> 23),
    labels: Uint8Array.from({ length: size }, () => next() % 10),
    size,
    shape,
    classes: Array.from({ length: 10 }, (_, i) => `class ${i}`),
  };
}
