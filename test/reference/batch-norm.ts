import { type Activation, activate, activationGrad } from './activation.ts';
import { map, type NdArray, ndarray } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface BatchNormAttrs {
  epsilon: number;
  activation?: Extract<Activation, 'relu' | 'relu6'>;
}

type Train = [x: NdArray, scale: NdArray, offset: NdArray];
type Infer = [...Train, mean: NdArray, variance: NdArray];

/** Sums over all axes but the last. */
export function columnSums(x: NdArray): NdArray {
  const channels = x.shape.at(-1)!;
  const sums = ndarray([channels]);
  x.data.forEach((value, i) => {
    sums.data[i % channels]! += value;
  });
  return sums;
}

/** Mean and biased variance of each channel over all rows. */
export function statistics(x: NdArray): { mean: NdArray; variance: NdArray; rows: number } {
  const channels = x.shape.at(-1)!;
  const rows = x.data.length / channels;
  const mean = map(columnSums(x), (sum) => sum / rows);
  const squares = map(x, (value, i) => (value - mean.data[i % channels]!) ** 2);
  return { mean, variance: map(columnSums(squares), (sum) => sum / rows), rows };
}

/** z = (x - mean) / sqrt(variance + epsilon) */
export function standardize(x: NdArray, mean: NdArray, variance: NdArray, epsilon: number): NdArray {
  const channels = x.shape.at(-1)!;
  return map(x, (value, i) => (value - mean.data[i % channels]!) / Math.sqrt(variance.data[i % channels]! + epsilon));
}

/** y = scale z + offset */
const affine = (z: NdArray, scale: NdArray, offset: NdArray) =>
  map(z, (value, i) => value * scale.data[i % scale.data.length]! + offset.data[i % offset.data.length]!);

/** With the statistics of the batch. */
export const batchNorm: Reference<Train, BatchNormAttrs> = {
  forward([x, scale, offset], { epsilon, activation }) {
    const { mean, variance } = statistics(x);
    return activate(affine(standardize(x, mean, variance, epsilon), scale, offset), activation);
  },

  /**
   * doffset = sum dy, dscale = sum dy z; and, because mean and variance depend on every x,
   * dx = scale / sqrt(variance + epsilon) (dy - doffset / n - z dscale / n).
   */
  backward([x, scale, offset], output, dy, { epsilon, activation }) {
    const { mean, variance, rows } = statistics(x);
    const z = standardize(x, mean, variance, epsilon);
    const dout = activationGrad(affine(z, scale, offset), output, dy, activation);
    const doffset = columnSums(dout);
    const dscale = columnSums(map(dout, (dy, i) => dy * z.data[i]!));
    const dx = map(dout, (dy, i) => {
      const c = i % scale.data.length;
      const factor = scale.data[c]! / Math.sqrt(variance.data[c]! + epsilon);
      return factor * (dy - doffset.data[c]! / rows - (z.data[i]! * dscale.data[c]!) / rows);
    });
    return [dx, dscale, doffset];
  },
};

/** With given statistics, which are constants. */
export const batchNormInference: Reference<Infer, BatchNormAttrs> = {
  forward([x, scale, offset, mean, variance], { epsilon, activation }) {
    return activate(affine(standardize(x, mean, variance, epsilon), scale, offset), activation);
  },

  backward([x, scale, offset, mean, variance], output, dy, { epsilon, activation }) {
    const z = standardize(x, mean, variance, epsilon);
    const dout = activationGrad(affine(z, scale, offset), output, dy, activation);
    const dx = map(dout, (dy, i) => {
      const c = i % scale.data.length;
      return (dy * scale.data[c]!) / Math.sqrt(variance.data[c]! + epsilon);
    });
    return [dx, columnSums(map(dout, (dy, i) => dy * z.data[i]!)), columnSums(dout), null, null];
  },
};
