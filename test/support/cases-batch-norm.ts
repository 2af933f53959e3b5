import fc from 'fast-check';
import { columnSums, statistics } from '../reference/batch-norm.ts';
import { map, type NdArray, sizeOf } from '../reference/ndarray.ts';
import type { CaseSize, OperatorCase } from './operator-cases.ts';

const SIZES = { small: [1, 2, 3, 5], full: [1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 33, 67] };

function record(size: CaseSize) {
  return fc.record({
    shape: fc
      .array(fc.constantFrom(...SIZES[size]), { minLength: 1, maxLength: 4 })
      .filter((shape) => sizeOf(shape) <= (size === 'small' ? 60 : 20_000)),
    epsilon: fc.constantFrom(1e-3, 0.1, 1),
    activation: fc.constantFrom(undefined, 'relu' as const, 'relu6' as const),
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
  });
}

export function batchNormCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return record(size).map(({ shape, epsilon, activation, seed }) => ({
    inputs: [{ shape }, { shape: shape.slice(-1) }, { shape: shape.slice(-1) }],
    attrs: { epsilon, activation },
    seed,
  }));
}

export function batchNormInferenceCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return record(size).map(({ shape, epsilon, activation, seed }) => ({
    inputs: [{ shape }, ...Array.from({ length: 4 }, () => ({ shape: shape.slice(-1) }))],
    // The variance is drawn like every input and may be negative: this keeps the root real.
    attrs: { epsilon: 8 + epsilon, activation },
    seed,
  }));
}

/**
 * Scale of the rounding errors of batch normalization. Subtracting the mean cancels leading digits:
 * with a = (|x| + mean |x|) / sqrt(variance + epsilon), the error of z is a roundings, and so is that of values
 * that are multiplied by z or divided by the deviation.
 */
export function batchNormMagnitude(inputs: NdArray[], epsilon: number, dout: NdArray) {
  const [x, scale, offset, mean, variance] = inputs as [NdArray, NdArray, NdArray, NdArray?, NdArray?];
  const batch = statistics(x);
  const channels = scale.data.length;
  const absolute = mean ? map(mean, Math.abs) : statistics(map(x, Math.abs)).mean;
  const deviation = (c: number) => Math.sqrt((variance ?? batch.variance).data[c]! + epsilon);
  const a = map(x, (value, i) => (Math.abs(value) + absolute.data[i % channels]!) / deviation(i % channels));
  const largest = new Float64Array(channels);
  a.data.forEach((value, i) => {
    largest[i % channels] = Math.max(largest[i % channels]!, 1 + value);
  });
  const doffset = columnSums(dout);
  const dscale = columnSums(map(dout, (dy, i) => dy * a.data[i]!));
  const dx = map(dout, (dy, i) => {
    const c = i % channels;
    const statisticsTerm = mean ? 0 : (doffset.data[c]! + a.data[i]! * dscale.data[c]!) / batch.rows;
    return (Math.abs(scale.data[c]!) / deviation(c)) * (dy + statisticsTerm) * largest[c]!;
  });
  return {
    output: map(a, (value, i) => {
      const c = i % channels;
      return Math.abs(scale.data[c]!) * value * largest[c]! + Math.abs(offset.data[c]!);
    }),
    grads: [dx, map(dscale, (sum, c) => sum * largest[c]!), doffset, null, null].slice(0, inputs.length),
  };
}
