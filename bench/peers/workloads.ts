import { MLPBN, type ModelName, SAMPLE } from '../workloads.ts';

/** A layer as every engine's program here understands it. Dense and conv begin with the weights they are given and zero bias. */
export type Layer =
  | { kind: 'conv'; filters: number; size: number; padding: 'valid' | 'same' }
  | { kind: 'pool' | 'flatten' | 'batchNorm' | 'leakyRelu' | 'dropout' }
  | { kind: 'dense'; units: number; relu: boolean };

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
});
const dense = (units: number, relu: boolean): Layer => ({ kind: 'dense', units, relu });
const pool: Layer = { kind: 'pool' };
const flatten: Layer = { kind: 'flatten' };

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
};

const training = (name: string, model: SharedName, batch: number): Workload => ({
  ...{ name, what: 'fit', model, batch, size: batch, layers: networks[model], sample: SAMPLE[model] },
  stepsChecked: STEPS_CHECKED,
  ...(model === 'mlpbn' ? { l2: MLPBN.l2, dropout: MLPBN.dropout } : { l2: 0, dropout: 0 }),
});

export const workloads: readonly Workload[] = [
  training('lenet-b256', 'lenet', 256),
  training('vgg-b32', 'vgg', 32),
  training('mlp-b32', 'mlp', 32),
  training('mlpbn-b32', 'mlpbn', 32),
  { ...training('infer-lenet-10000', 'lenet', 1000), what: 'predict', size: 10_000 },
  {
    ...{ name: 'gemm-1024', what: 'gemm', model: null, layers: [], sample: [] },
    ...{ batch: 1, size: 1024, l2: 0, dropout: 0, stepsChecked: 0 },
  },
];

/** Shapes of the kernels of a network, in order; a matrix product has its two matrices. */
export function kernelShapes({ what, layers, sample, size }: Workload): number[][] {
  if (what === 'gemm') return [0, 1].map(() => [size, size]);
  const shapes: number[][] = [];
  let [side = 0, , channels = 0] = sample;
  let features = 0;
  for (const layer of layers) {
    if (layer.kind === 'conv') {
      shapes.push([layer.size, layer.size, channels, layer.filters]);
      if (layer.padding === 'valid') side -= layer.size - 1;
      channels = layer.filters;
    } else if (layer.kind === 'pool') {
      side = Math.floor(side / 2);
    } else if (layer.kind === 'flatten') {
      features = side * side * channels;
    } else if (layer.kind === 'dense') {
      shapes.push([features, layer.units]);
      features = layer.units;
    }
  }
  return shapes;
}
