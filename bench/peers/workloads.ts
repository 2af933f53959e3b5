import { HEAD_DROPOUT } from '../mobilenet.ts';
import { MLPBN, type ModelName, noise, SAMPLE } from '../workloads.ts';

/** A layer as every engine's program here understands it. Dense and conv begin with the weights they are given and zero bias. */
export type Layer =
  /** A bias and a ReLU follow, unless it is plain. */
  | { kind: 'conv'; filters: number; size: number; padding: 'valid' | 'same'; strides: number; plain: boolean }
  /** A filter of 3x3 for each channel, padding 'same', nothing behind it. */
  | { kind: 'depthwise'; strides: number }
  | { kind: 'pool' | 'globalPool' | 'flatten' | 'batchNorm' | 'leakyRelu' | 'relu6' }
  /** With the workload's rate, unless it has one itself. */
  | { kind: 'dropout'; rate?: number }
  | { kind: 'dense'; units: number; relu: boolean }
  /** The input added to what the layers make of it. */
  | { kind: 'residual'; layers: Layer[] }
  /** x scale + offset. */
  | { kind: 'rescale'; scale: number; offset: number }
  /** Bilinear, pixel centres at halves. */
  | { kind: 'resize'; side: number }
  /** What comes before is not trained; its batch normalisations use their moving statistics, a mean of 0 and a variance of 1. */
  | { kind: 'trainFrom' };

/** What each engine is asked to do. */
export interface Workload {
  name: string;
  /** Training steps with Adam, inference of `size` images in batches, or a matrix product of side `size`. */
  what: 'fit' | 'predict' | 'gemm';
  model: ModelName | null;
  layers: Layer[];
  sample: number[];
  batch: number;
  size: number;
  /** Rate of the L2 penalty on kernels, and of dropout in what is timed; what is checked drops nothing. */
  l2: number;
  dropout: number;
  /** Steps, all on the first batch, whose losses the engines must agree on. */
  stepsChecked: number;
  /** The rate of SGD, where what is checked goes by that instead of Adam. */
  sgdChecked: number | null;
  /** How kernels begin: within Glorot's limits, or He's, without which nothing is left of an image behind 50 layers. */
  initial: 'glorot' | 'he';
}

const STEPS_CHECKED = 4;

/** What an engine's program reads of a workload. */
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

/** MobileNetV2 (Sandler et al., 2018) without its top, alpha 1, written down anew: filters, stride and number of its blocks. */
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

/** Those of ../workloads.ts that the peers run too. */
type SharedName = Exclude<ModelName, 'cnnbn'>;

/** The same networks; the check of losses would show a difference. All end in logits. */
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
 * The loss before and after one step of SGD. Adam's first step is the rate times the sign of each gradient: where that is about 0, engines
 * differ by twice the rate, and 50 layers make more of it than the tolerance.
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

/** Shapes of the kernels of a network, in order; a matrix product has its two matrices. */
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

/** Kernels begin evenly drawn between minus and plus this. */
export function initialLimit(initial: Workload['initial'], shape: readonly number[]): number {
  const [fanIn, fanOut] = shape.slice(-2) as [number, number];
  const window = shape.slice(0, -2).reduce((product, n) => product * n, 1);
  if (initial === 'glorot') return Math.sqrt(6 / (window * (fanIn + fanOut)));
  const isDepthwise = shape.length === 4 && fanOut === 1;
  return Math.sqrt(6 / (window * (isDepthwise ? 1 : fanIn)));
}

/** The same pixels, labels and initial weights for every engine. */
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
