import fc from 'fast-check';
import type { BinaryName, UnaryName } from '../../src/kernels/pointwise/pointwise-table.ts';
import type { OperatorName } from '../reference/index.ts';
import { type NdArray, ndarray, sizeOf } from '../reference/ndarray.ts';
import { pair, windowAxis } from '../reference/window.ts';
import { batchNormCase, batchNormInferenceCase } from './cases-batch-norm.ts';
import { depthwiseCase } from './cases-depthwise.ts';
import { dropoutCase } from './cases-dropout.ts';
import { matmulCase } from './cases-matmul.ts';
import { domainOf, pointwiseCases } from './cases-pointwise.ts';
import { imageCase, poolCase } from './cases-pooling.ts';
import { reduceCases } from './cases-reduce.ts';
import { resizeCase } from './cases-resize.ts';
import { shapeCases } from './cases-shape.ts';
import { softmaxCases } from './cases-softmax.ts';
import { random } from './random.ts';

export interface InputSpec {
  shape: number[];
  /** For labels: u32 values below this. Absent for f32 inputs. */
  classes?: number;
}

/** A call of an operator, as plain data, so that fast-check prints what it shrank to. */
export interface OperatorCase {
  inputs: InputSpec[];
  attrs: object;
  seed: number;
  /** The row of the pointwise table whose domain the inputs must lie in. */
  row?: UnaryName | BinaryName;
}

/** Fixed, so that CI sees the same cases at every run. */
export const FAST_CHECK_SEED = 20261120;

/** How many cases a test draws: a quick set in `npm test`, at least 200 an operator in `npm run test:long`. */
export const drawnCases = (quick: number): number => (process.env.LONG === '1' ? Math.max(quick, 200) : quick);

/** 'small' for element-by-element gradient checks in float64, 'full' for the adapter: tile edges and primes. */
export type CaseSize = 'small' | 'full';

export const SIZES = { small: [1, 2, 3, 5], full: [1, 2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33] };
const CHANNELS = { small: [1, 2, 3], full: [1, 2, 3, 4, 5, 7, 8, 16, 17] };
const KERNELS = [
  [1, 1],
  [2, 2],
  [3, 3],
  [5, 5],
  [2, 3],
  [3, 1],
] as const;

export const one = (values: readonly number[]): fc.Arbitrary<number> => fc.constantFrom(...values);
export const seed = fc.integer({ min: 0, max: 2 ** 31 });
const strides = fc.oneof(one([1, 2, 3]), fc.tuple(one([1, 2, 3]), one([1, 2, 3])));
const padding = fc.constantFrom('valid' as const, 'same' as const);
const activation = fc.constantFrom(undefined, 'relu' as const);

export function anyShape(size: CaseSize): fc.Arbitrary<number[]> {
  return fc
    .array(one(SIZES[size]), { minLength: 1, maxLength: 4 })
    .filter((shape) => sizeOf(shape) <= (size === 'small' ? 60 : 20_000));
}

/** Cases of one f32 input of any rank. */
export function unary(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return fc
    .record({ shape: anyShape(size), seed })
    .map((c) => ({ inputs: [{ shape: c.shape }], attrs: {}, seed: c.seed }));
}

function linearCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  const n = one(SIZES[size]);
  const batch = fc.constantFrom([], [], [2], [3, 1]);
  return fc.record({ batch, rows: n, depth: n, units: n, bias: fc.boolean(), activation, seed }).map((c) => ({
    inputs: [
      { shape: [...c.batch, c.rows, c.depth] },
      { shape: [c.depth, c.units] },
      ...(c.bias ? [{ shape: [c.units] }] : []),
    ],
    attrs: { activation: c.activation },
    seed: c.seed,
  }));
}

/** Whether a window fits in at least once. */
function fits(
  image: readonly number[],
  kernel: readonly number[],
  dilation: readonly number[],
  mode: 'valid' | 'same',
) {
  return [0, 1].every((k) => windowAxis(image[k]!, kernel[k]!, 1, dilation[k]!, mode).output > 0);
}

export function conv2dCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return fc
    .record({
      batch: one([1, 2, 3]),
      image: fc.tuple(one(SIZES[size]), one(SIZES[size])),
      channels: one(CHANNELS[size]),
      units: one(CHANNELS[size]),
      kernel: fc.constantFrom(...KERNELS),
      strides,
      dilation: fc.oneof(fc.constant(1), one([1, 2, 3]), fc.tuple(one([1, 2]), one([1, 2]))),
      padding,
      activation,
      bias: fc.boolean(),
      seed,
    })
    .filter((c) => fits(c.image, c.kernel, pair(c.dilation), c.padding))
    .map(({ batch, image, channels, units, kernel, bias, seed, ...attrs }) => ({
      inputs: [
        { shape: [batch, ...image, channels] },
        { shape: [...kernel, channels, units] },
        ...(bias ? [{ shape: [units] }] : []),
      ],
      attrs,
      seed,
    }));
}

function maxPool2dCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return fc
    .record({
      batch: one([1, 2, 3]),
      image: fc.tuple(one(SIZES[size]), one(SIZES[size])),
      channels: one(CHANNELS[size]),
      poolSize: fc.oneof(one([1, 2, 3]), fc.tuple(one([1, 2, 3]), one([1, 2, 3]))),
      strides: fc.option(strides, { nil: undefined }),
      padding,
      seed,
    })
    .filter((c) => fits(c.image, pair(c.poolSize), [1, 1], c.padding))
    .map(({ batch, image, channels, seed, ...attrs }) => ({
      inputs: [{ shape: [batch, ...image, channels] }],
      attrs,
      seed,
    }));
}

/** Valid calls of every operator. */
export function operatorCases(size: CaseSize): Record<OperatorName, fc.Arbitrary<OperatorCase>> {
  return {
    matmul: matmulCase(size),
    linear: linearCase(size),
    batchNorm: batchNormCase(size),
    batchNormInference: batchNormInferenceCase(size),
    conv2d: conv2dCase(size),
    dropout: dropoutCase(size),
    depthwiseConv2d: depthwiseCase(size),
    maxPool2d: maxPool2dCase(size),
    avgPool2d: poolCase(size),
    globalAveragePool2d: imageCase(size),
    ...pointwiseCases(size),
    ...softmaxCases(size),
    ...shapeCases(size),
    resize: resizeCase(size),
    ...reduceCases(size),
    biasAdd: unary(size).map((c) => ({ ...c, inputs: [c.inputs[0]!, { shape: c.inputs[0]!.shape.slice(-1) }] })),
    reshape: fc
      .record({ c: unary(size), way: fc.constantFrom('flat', 'reversed', 'split', 'rest') })
      .map(({ c, way }) => ({ ...c, attrs: { shape: reshapeTarget(c.inputs[0]!.shape, way) } })),
    softmaxCrossEntropy: fc
      .record({ rows: one(SIZES[size]), classes: one([1, 2, 3, 7, 10, 17]), seed })
      .map(({ rows, classes, seed }) => ({
        inputs: [{ shape: [rows, classes] }, { shape: [rows], classes }],
        attrs: {},
        seed,
      })),
  };
}

function reshapeTarget(shape: number[], way: string): number[] {
  if (way === 'flat') return [sizeOf(shape)];
  if (way === 'rest') return [...shape.slice(1), -1];
  return way === 'reversed' ? [...shape].reverse() : [1, shape[0]!, sizeOf(shape) / shape[0]!];
}

/**
 * Values for the inputs of a case: normal, rounded to f32 so that adapter and reference start from the same numbers; or
 * small integers, whose sums are exact in f32, so that any order of additions gives the same bits.
 */
export function drawInputs(c: OperatorCase, kind: 'normal' | 'integer' = 'normal'): NdArray[] {
  const values = random(c.seed);
  return c.inputs.map(({ shape, classes }, k) => {
    const within = kind === 'normal' ? domainOf(c.row, k) : (value: number) => value;
    const draw = classes ? () => values.integer(0, classes - 1) : () => Math.fround(within(drawValue(values, kind)));
    return ndarray(shape, Array.from({ length: sizeOf(shape) }, draw));
  });
}

/** A gradient to send back through an output of this shape. */
export function drawLike(shape: readonly number[], seed: number, kind: 'normal' | 'integer' = 'normal'): NdArray {
  const values = random(seed ^ 0x5eed);
  return ndarray(
    shape,
    Array.from({ length: sizeOf(shape) }, () => drawValue(values, kind)),
  );
}

function drawValue(values: ReturnType<typeof random>, kind: 'normal' | 'integer'): number {
  return kind === 'integer' ? values.integer(-4, 4) : Math.fround(values.normal());
}
