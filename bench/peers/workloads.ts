import { HEAD_DROPOUT } from '../mobilenet.ts';
import { MLPBN, type ModelName, noise, SAMPLE } from '../workloads.ts';

/** A layer that every engine's program supports. Dense and conv layers begin with the given kernels and zero bias. */
export type Layer =
  /** With bias and ReLU unless `plain`. */
  | { kind: 'conv'; filters: number; size: number; padding: 'valid' | 'same'; strides: number; plain: boolean }
  /** A 3x3 filter for each channel, padding 'same', without bias and activation. */
  | { kind: 'depthwise'; strides: number }
  | { kind: 'pool' | 'globalPool' | 'flatten' | 'batchNorm' | 'leakyRelu' | 'relu6' }
  /** Default rate: the workload's. */
  | { kind: 'dropout'; rate?: number }
  | { kind: 'dense'; units: number; relu: boolean }
  /** Adds the input to the output of the layers. */
  | { kind: 'residual'; layers: Layer[] }
  /** x scale + offset. */
  | { kind: 'rescale'; scale: number; offset: number }
  /** Bilinear, with half-pixel centers. */
  | { kind: 'resize'; side: number }
  /** Layers before it are frozen; their batch normalizations use the moving statistics, mean 0 and variance 1. */
  | { kind: 'trainFrom' };

/** A workload for all engines. */
export interface Workload {
  name: string;
  /** Training steps with Adam, inference of `size` images in batches, or a matrix product of side `size`. */
  what: 'fit' | 'predict' | 'gemm';
  model: ModelName | null;
  layers: Layer[];
  sample: number[];
  batch: number;
  size: number;
  /** Rate of the L2 penalty on kernels. */
  l2: number;
  /** Rate of dropout in the timed runs; the checked steps have none. */
  dropout: number;
  /** Number of steps, all on the first batch, whose losses must agree. */
  stepsChecked: number;
  /** Learning rate of SGD if the checked steps use it instead of Adam; else null. */
  sgdChecked: number | null;
  /** Limits of the initial kernels: Glorot's, or He's, without which the signal of an image vanishes after 50 layers. */
  initial: 'glorot' | 'he';
}

const STEPS_CHECKED = 4;

/** The data of a workload. */
export interface Inputs {
  images: Uint8Array<ArrayBuffer>;
  labels: Uint8Array<ArrayBuffer>;
  kernels: Float32Array<ArrayBuffer>[];
}

const conv = (filters: number, size: number, padding: 'valid' | 'same'): Layer => ({
  kind: 'conv',
  filters,
  size,
  padding,
  strides: 1,
  plain: false,
});
const dense = (units: number, relu: boolean): Layer => ({ kind: 'dense', units, relu });
const pool: Layer = { kind: 'pool' };
const flatten: Layer = { kind: 'flatten' };

const batchNorm: Layer = { kind: 'batchNorm' };
const relu6: Layer = { kind: 'relu6' };
const plainConv = (filters: number, size: number, strides: number): Layer[] => [
  { kind: 'conv', filters, size, padding: 'same', strides, plain: true },
  batchNorm,
];

/** Returns MobileNetV2 (Sandler et al., 2018) without its top, alpha 1, from filters, stride and number of its blocks. */
function mobilenetFeatures(): Layer[] {
  const blocks: Layer[] = [];
  let channels = 32;
  let id = 0;
  for (const [filters, stride, count] of [
    [16, 1, 1],
    [24, 2, 2],
    [32, 2, 3],
    [64, 2, 4],
    [96, 1, 3],
    [160, 2, 3],
    [320, 1, 1],
  ] as const) {
    for (let i = 0; i < count; i++) {
      const strides = i === 0 ? stride : 1;
      const layers: Layer[] = [
        ...(id++ === 0 ? [] : [...plainConv(6 * channels, 1, 1), relu6]),
        ...([{ kind: 'depthwise', strides }, batchNorm, relu6] as const),
        ...plainConv(filters, 1, 1),
      ];
      blocks.push(...(strides === 1 && channels === filters ? [{ kind: 'residual' as const, layers }] : layers));
      channels = filters;
      if (id === FIRST_BLOCK_TRAINED) blocks.push({ kind: 'trainFrom' });
    }
  }
  return [...plainConv(32, 3, 2), relu6, ...blocks, ...plainConv(1280, 1, 1), relu6];
}

/** Experiment B10 trains from `block_4_expand` on. */
const FIRST_BLOCK_TRAINED = 4;

/** The models of ../workloads.ts that the peers run, too. */
type SharedName = Exclude<ModelName, 'cnnbn'>;

/** The same networks as in ../workloads.ts; the check of losses would show a difference. All end in logits. */
const networks: Record<SharedName, Layer[]> = {
  lenet: [
    ...[conv(6, 5, 'valid'), pool, conv(16, 5, 'valid'), pool],
    ...[flatten, dense(120, true), dense(84, true), dense(10, false)],
  ],
  vgg: [
    ...[conv(32, 3, 'same'), conv(32, 3, 'same'), pool, conv(64, 3, 'same'), conv(64, 3, 'same'), pool],
    ...[conv(128, 3, 'same'), conv(128, 3, 'same'), pool, pool],
    ...[flatten, dense(256, true), dense(64, true), dense(10, false)],
  ],
  mlp: [flatten, dense(32, true), dense(10, false)],
  mlpbn: [
    flatten,
    ...Array.from({ length: MLPBN.hidden }, (): Layer[] => [
      dense(MLPBN.width, false),
      { kind: 'batchNorm' },
      { kind: 'leakyRelu' },
      { kind: 'dropout' },
    ]).flat(),
    dense(10, false),
  ],
  mobilenet: [
    ...mobilenetFeatures().filter(({ kind }) => kind !== 'trainFrom'),
    ...[{ kind: 'globalPool' } as const, dense(10, false)],
  ],
  mobilenetFinetune: [
    { kind: 'rescale', scale: 2, offset: -1 },
    { kind: 'resize', side: SAMPLE.mobilenet[0] },
    ...mobilenetFeatures(),
    ...[flatten, { kind: 'dropout', rate: HEAD_DROPOUT[0]! } as const, dense(256, true)],
    ...[{ kind: 'dropout', rate: HEAD_DROPOUT[1]! } as const, dense(64, true), dense(10, false)],
  ],
};

const training = (name: string, model: SharedName, batch: number): Workload => ({
  ...{ name, what: 'fit', model, batch, size: batch, layers: networks[model], sample: SAMPLE[model] },
  initial: 'glorot',
  stepsChecked: STEPS_CHECKED,
  sgdChecked: null,
  ...(model === 'mlpbn' ? { l2: MLPBN.l2, dropout: MLPBN.dropout } : { l2: 0, dropout: 0 }),
});

/**
 * Checks the loss before and after one step of SGD. Adam's first step is the rate times the sign of each gradient. For gradients near 0,
 * engines can differ by twice the rate, and 50 layers amplify that beyond the tolerance.
 */
const mobilenet = (name: string, model: SharedName): Workload => ({
  ...training(name, model, 32),
  initial: 'he',
  stepsChecked: 2,
  sgdChecked: 0.01,
});

export const workloads: readonly Workload[] = [
  training('lenet-b32', 'lenet', 32),
  training('lenet-b256', 'lenet', 256),
  training('vgg-b32', 'vgg', 32),
  training('mlp-b32', 'mlp', 32),
  training('mlpbn-b32', 'mlpbn', 32),
  mobilenet('mobilenet-b32', 'mobilenet'),
  { ...mobilenet('mobilenet-finetune-b32', 'mobilenetFinetune'), dropout: HEAD_DROPOUT[0]! },
  { ...mobilenet('mobilenet-infer', 'mobilenet'), what: 'predict', size: 96 },
  { ...training('infer-lenet-10000', 'lenet', 1000), what: 'predict', size: 10_000 },
  {
    ...{ name: 'gemm-1024', what: 'gemm', model: null, layers: [], sample: [] },
    ...{ batch: 1, size: 1024, l2: 0, dropout: 0, stepsChecked: 0, sgdChecked: null, initial: 'glorot' },
  },
];

/** Returns the shapes of the kernels of a network, in order; for a matrix product, those of its two matrices. */
export function kernelShapes({ what, layers, sample, size }: Workload): number[][] {
  if (what === 'gemm') return [0, 1].map(() => [size, size]);
  const shapes: number[][] = [];
  let [side = 0, , channels = 0] = sample;
  let features = 0;
  const walk = (layer: Layer): void => {
    if (layer.kind === 'conv') {
      shapes.push([layer.size, layer.size, channels, layer.filters]);
      side = Math.ceil((side - (layer.padding === 'valid' ? layer.size - 1 : 0)) / layer.strides);
      channels = layer.filters;
    } else if (layer.kind === 'depthwise') {
      shapes.push([3, 3, channels, 1]);
      side = Math.ceil(side / layer.strides);
    } else if (layer.kind === 'residual') {
      layer.layers.forEach(walk);
    } else if (layer.kind === 'resize') {
      side = layer.side;
    } else if (layer.kind === 'pool') {
      side = Math.floor(side / 2);
    } else if (layer.kind === 'flatten') {
      features = side * side * channels;
    } else if (layer.kind === 'globalPool') {
      features = channels;
    } else if (layer.kind === 'dense') {
      shapes.push([features, layer.units]);
      features = layer.units;
    }
  };
  layers.forEach(walk);
  return shapes;
}

/** Returns the limit of the uniform distribution of an initial kernel: values are in -limit..limit. */
export function initialLimit(initial: Workload['initial'], shape: readonly number[]): number {
  const [fanIn, fanOut] = shape.slice(-2) as [number, number];
  const window = shape.slice(0, -2).reduce((product, n) => product * n, 1);
  if (initial === 'glorot') return Math.sqrt(6 / (window * (fanIn + fanOut)));
  const isDepthwise = shape.length === 4 && fanOut === 1;
  return Math.sqrt(6 / (window * (isDepthwise ? 1 : fanIn)));
}

/** Returns the pixels, labels and initial weights, the same for every engine. */
export function drawInputs(workload: Workload): Inputs {
  const { images, labels } = noise(workload.size, (workload.sample.length ? workload.sample : [1, 1, 1]) as [1, 1, 1]);
  let state = 12345;
  const draw = () => {
    state = (state * 48271) % 2147483647;
    return (2 * state) / 2147483647 - 1;
  };
  const kernels = kernelShapes(workload).map((shape) => {
    const limit = initialLimit(workload.initial, shape);
    return Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, () => limit * draw());
  });
  return { images: images.slice(), labels: Uint8Array.from(labels), kernels };
}
