import type { Tensor } from '../../src/autograd/index.ts';
import * as tg from '../../src/autograd/index.ts';
import type { Device } from '../../src/node.ts';
import { type OperatorName, references } from '../reference/index.ts';
import { map, type NdArray } from '../reference/ndarray.ts';
import { batchNormMagnitude } from './cases-batch-norm.ts';
import { pointwiseMagnitudes } from './cases-pointwise.ts';
import { expectClose, expectSameBits } from './compare.ts';
import { drawInputs, drawLike, type OperatorCase } from './operator-cases.ts';
import { operatorTolerance } from './precision.ts';

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own options; the cases carry the right ones.
type Attrs = any;

/** How each operator is called with a case's inputs and attributes. */
export const calls: Record<OperatorName, (inputs: [Tensor, Tensor, Tensor?], attrs: Attrs) => Tensor> = {
  matmul: ([a, b], attrs) => tg.matmul(a, b, attrs),
  linear: ([x, weight, bias], attrs) => tg.linear(x, weight, bias, attrs),
  conv2d: ([x, filter, bias], attrs) => tg.conv2d(x, filter, bias, attrs),
  depthwiseConv2d: ([x, filter, bias], attrs) => tg.depthwiseConv2d(x, filter, bias, attrs),
  batchNorm: ([x, scale, offset], attrs) => tg.batchNorm(x, scale, offset!, attrs),
  batchNormInference: (inputs, attrs) =>
    tg.batchNormInference(...(inputs as unknown as [Tensor, Tensor, Tensor, Tensor, Tensor]), attrs),
  dropout: ([x], attrs) => tg.dropout(x, attrs),
  biasAdd: ([x, bias]) => tg.biasAdd(x, bias),
  neg: ([x]) => tg.neg(x),
  exp: ([x]) => tg.exp(x),
  log: ([x]) => tg.log(x),
  sqrt: ([x]) => tg.sqrt(x),
  rsqrt: ([x]) => tg.rsqrt(x),
  square: ([x]) => tg.square(x),
  reciprocal: ([x]) => tg.reciprocal(x),
  abs: ([x]) => tg.abs(x),
  sign: ([x]) => tg.sign(x),
  relu: ([x]) => tg.relu(x),
  relu6: ([x]) => tg.relu6(x),
  sigmoid: ([x]) => tg.sigmoid(x),
  tanh: ([x]) => tg.tanh(x),
  softplus: ([x]) => tg.softplus(x),
  leakyRelu: ([x], attrs) => tg.leakyRelu(x, attrs),
  elu: ([x], attrs) => tg.elu(x, attrs),
  gelu: ([x], attrs) => tg.gelu(x, attrs),
  clip: ([x], attrs) => tg.clip(x, attrs),
  add: ([a, b]) => tg.add(a, b),
  sub: ([a, b]) => tg.sub(a, b),
  mul: ([a, b]) => tg.mul(a, b),
  div: ([a, b]) => tg.div(a, b),
  maximum: ([a, b]) => tg.maximum(a, b),
  minimum: ([a, b]) => tg.minimum(a, b),
  pow: ([a, b], attrs) => tg.pow(a, b ?? attrs.exponent),
  where: ([condition, a, b]) => tg.where(condition, a, b!),
  softmax: ([x], attrs) => tg.softmax(x, attrs),
  logSoftmax: ([x], attrs) => tg.logSoftmax(x, attrs),
  maxPool2d: ([x], attrs) => tg.maxPool2d(x, attrs),
  avgPool2d: ([x], attrs) => tg.avgPool2d(x, attrs),
  globalAveragePool2d: ([x]) => tg.globalAveragePool2d(x),
  reshape: ([x], attrs) => tg.reshape(x, attrs.shape),
  transpose: ([x], attrs) => tg.transpose(x, attrs.axes),
  expandDims: ([x], attrs) => tg.expandDims(x, attrs.axis),
  squeeze: ([x], attrs) => tg.squeeze(x, attrs.axis),
  pad: ([x], { paddings, ...options }) => tg.pad(x, paddings, options),
  slice: ([x], attrs) => tg.slice(x, attrs.begin, attrs.size),
  concat: (parts, attrs) => tg.concat(parts as Tensor[], attrs.axis),
  stack: (parts, attrs) => tg.stack(parts as Tensor[], attrs.axis),
  gather: ([x, indices], attrs) => tg.gather(x, indices, attrs.axis),
  resize: ([x], { size, ...options }) => tg.resize(x, size, options),
  sum: ([x], attrs) => tg.sum(x, attrs),
  mean: ([x], attrs) => tg.mean(x, attrs),
  max: ([x], attrs) => tg.max(x, attrs),
  min: ([x], attrs) => tg.min(x, attrs),
  variance: ([x], attrs) => tg.variance(x, attrs),
  softmaxCrossEntropy: ([logits, labels]) => tg.softmaxCrossEntropy(logits, labels),
};

export function callOperator(name: OperatorName, inputs: Tensor[], attrs: object): Tensor {
  return calls[name](inputs as [Tensor, Tensor, Tensor?], attrs);
}

export interface HostInput {
  shape: readonly number[];
  data: ArrayLike<number>;
  /** Labels are u32 and have no gradient. */
  dtype?: 'f32' | 'u32';
  requiresGrad?: boolean;
}

export interface OperatorResult {
  shape: readonly number[];
  output: ArrayLike<number>;
  /** One an input, null for inputs that have none. */
  grads: (ArrayLike<number> | null)[];
}

/** Runs an operator forward and backward on the adapter, reads the results, and releases all tensors. */
export async function runOperator(
  device: Device,
  name: OperatorName,
  inputs: HostInput[],
  attrs: object,
  dout: ArrayLike<number> | ((shape: readonly number[]) => ArrayLike<number>),
  models = 1,
): Promise<OperatorResult> {
  const results = tg.scope(device, () => {
    const tensors = inputs.map(({ shape, data, dtype = 'f32', requiresGrad = dtype === 'f32' }) =>
      tg.tensor(device, data, shape, { dtype, requiresGrad, models }),
    );
    const output = callOperator(name, tensors, attrs);
    const gradient = typeof dout === 'function' ? dout(output.shape) : dout;
    output.backward(tg.tensor(device, gradient, output.shape, { models }));
    return { output, grads: tensors.map((t) => t.grad) };
  });
  const result = {
    shape: results.output.shape,
    output: await results.output.data(),
    grads: await Promise.all(results.grads.map((grad) => grad?.data() ?? null)),
  };
  results.output.dispose();
  for (const grad of results.grads) grad?.dispose();
  return result;
}

/** Runs an operator forward only. */
export async function runForward(
  device: Device,
  name: OperatorName,
  inputs: HostInput[],
  attrs: object,
): Promise<ArrayLike<number>> {
  const output = tg.scope(device, () =>
    callOperator(
      name,
      inputs.map(({ shape, data, dtype }) => tg.tensor(device, data, shape, { dtype })),
      attrs,
    ),
  );
  const values = await output.data();
  output.dispose();
  return values;
}

/** The inputs of a case as the adapter takes them. */
export function hostInputs(c: OperatorCase, kind: 'normal' | 'integer' = 'normal'): HostInput[] {
  return drawInputs(c, kind).map((input, k) => ({ ...input, dtype: c.inputs[k]!.classes ? 'u32' : 'f32' }));
}

/** Operators that add up products of their inputs: on absolute values they give the magnitude of what was added up. */
const SUMS: ReadonlySet<OperatorName> = new Set([
  'matmul',
  'linear',
  'conv2d',
  'depthwiseConv2d',
  'biasAdd',
  'resize',
  'sum',
  'mean',
  'avgPool2d',
  'globalAveragePool2d',
]);

/**
 * The size of the terms behind each element of the output and of the gradients, with which rounding errors grow (see
 * `Tolerance`); undefined where the element's own size will do.
 */
export function magnitudes(
  name: OperatorName,
  inputs: NdArray[],
  attrs: object,
  output: NdArray,
  dout: NdArray,
): { output?: NdArray; grads?: (NdArray | null)[] } {
  const reference = references[name];
  const positive = map(dout, Math.abs);
  if (SUMS.has(name)) {
    const absolute = inputs.map((input) => map(input, Math.abs));
    // Of all that can be fused, no slope is above 1: without them the terms are no smaller.
    const plain = { ...attrs, activation: undefined };
    const terms = reference.forward(absolute, plain);
    // The slope of a sigmoid or tanh is taken at the sum, whose roundings grow like a random walk with its terms.
    const isCurved = ['sigmoid', 'tanh'].includes((attrs as { activation?: string }).activation ?? '');
    const slopes = isCurved ? map(positive, (dy, i) => dy * Math.max(1, Math.sqrt(terms.data[i]!))) : positive;
    return { output: terms, grads: reference.backward(absolute, terms, slopes, plain) };
  }
  const pointwise = pointwiseMagnitudes(name, inputs, attrs, output, positive);
  if (pointwise) return pointwise;
  // Squared deviations from a mean, which is as uncertain as the largest value is large.
  if (name === 'variance') {
    const [x] = inputs as [NdArray];
    const largest = x.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const [share] = references.mean.backward(inputs, output, positive, attrs);
    return {
      output: map(output, (y) => y + largest ** 2),
      grads: [map(x, (value, i) => 2 * share!.data[i]! * (Math.abs(value) + largest))],
    };
  }
  if (name === 'batchNorm' || name === 'batchNormInference') {
    return batchNormMagnitude(inputs, (attrs as Attrs).epsilon, positive);
  }
  // Overlapping windows add up, and so do equal indices.
  if (name === 'maxPool2d' || name === 'gather') return { grads: reference.backward(inputs, output, positive, attrs) };
  // Differences of terms no larger than these.
  if (name === 'softmax') {
    const largest = positive.data.reduce((a, b) => Math.max(a, b), 0);
    return { grads: [map(output, (y) => y * largest)] };
  }
  if (name === 'logSoftmax') {
    // An error of the size of the largest logit goes into exp(y), and so into the share of the sum of dout.
    const largest = inputs[0]!.data.reduce((a, b) => Math.max(a, Math.abs(b)), 1);
    const { axis = -1 } = attrs as { axis?: number };
    const sum = references.sum.forward([positive], { axis, keepDims: true });
    const spread = references.sum.backward([output], output, sum, { axis, keepDims: true })[0]!;
    return {
      output: map(output, (y) => largest + Math.abs(y)),
      grads: [map(spread, (total, i) => positive.data[i]! + Math.exp(output.data[i]!) * total * (1 + largest))],
    };
  }
  if (name === 'softmaxCrossEntropy') {
    const [rows = 1] = inputs[0]!.shape;
    return { output: map(output, (loss) => 1 + loss), grads: [map(inputs[0]!, () => positive.data[0]! / rows), null] };
  }
  return {};
}

/**
 * Whether Winograd's algorithm was chosen, for a kernel or for any, since `choices.used` was cleared. It is not exact on integers. Its
 * rounding errors depend on all terms of a tile, of which an element at the border has few.
 */
export const byWinograd = (device: Device, kernel?: string): boolean =>
  [...device.choices.used.values()].some(
    ({ operator, variant }) => variant.startsWith('winograd') && (kernel === undefined || operator === kernel),
  );

/** About 30 roundings: enough for another order of additions and an adapter's exp, too small for a wrong term. GPUs: see precision.ts. */
const RTOL = 2e-6;

/** Compares the adapter's forward and backward with the reference on one case. Returns the largest relative error. */
export async function compareWithReference(
  device: Device,
  name: OperatorName,
  c: OperatorCase,
  kind: 'normal' | 'integer' = 'normal',
): Promise<number> {
  const reference = references[name];
  const inputs = drawInputs(c, kind);
  const output = reference.forward(inputs, c.attrs);
  const dout = drawLike(output.shape, c.seed, kind);
  device.choices.used.clear();
  const actual = await runOperator(device, name, hostInputs(c, kind), c.attrs, dout.data);
  if (`${actual.shape}` !== `${output.shape}`) {
    throw new Error(`${name}: output shape [${actual.shape}], expected [${output.shape}]`);
  }
  // A fused ReLU's mask is read from the output the adapter got: an output within a rounding error of 0 may fall on
  // either side, and its own comparison has already held it to the tolerance.
  const seen: NdArray = { shape: output.shape, data: Float64Array.from(actual.output) };
  const grads = reference.backward(inputs, seen, dout, c.attrs);

  const terms = magnitudes(name, inputs, c.attrs, output, dout);
  const compare = (
    got: ArrayLike<number>,
    expected: NdArray,
    scale: NdArray | null | undefined,
    what: string,
    byTiles: boolean,
  ) => {
    if (kind === 'integer' && !byTiles)
      expectSameBits(Array.from(got, noNegativeZero), Array.from(expected.data, noNegativeZero), what);
    const magnitude = byTiles && scale ? largest(scale.data) : scale?.data;
    return expectClose(got, expected.data, { magnitude, rtol }, what);
  };
  const rtol = operatorTolerance(device, RTOL, name, c.attrs);
  let worst = compare(actual.output, output, terms.output, `${name} forward`, byWinograd(device, 'conv2d'));
  grads.forEach((grad, k) => {
    const got = actual.grads[k];
    if (!grad !== !got) throw new Error(`${name}: gradient ${k} is ${got ? 'there' : 'missing'}`);
    const byTiles = byWinograd(device, ['conv2dInputGrad', 'conv2dWeightGrad'][k] ?? '');
    if (grad && got) worst = Math.max(worst, compare(got, grad, terms.grads?.[k], `${name} gradient ${k}`, byTiles));
  });
  return worst;
}

const largest = (values: ArrayLike<number>) => {
  const max = Array.from(values).reduce((a, b) => Math.max(a, b), 0);
  return new Float64Array(values.length).fill(max);
};

const noNegativeZero = (value: number): number => value + 0;
