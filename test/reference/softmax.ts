import { type NdArray, sizeOf, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface SoftmaxAttrs {
  axis?: number;
}

/** The indices in x of each row along the axis. */
function rows(x: NdArray, { axis = -1 }: SoftmaxAttrs): number[][] {
  const d = (axis + x.shape.length) % x.shape.length;
  const stride = sizeOf(x.shape.slice(d + 1));
  const all: number[][] = [];
  for (let i = 0; i < x.data.length; i++) {
    const place = Math.floor(i / stride) % x.shape[d]!;
    if (place === 0) all.push(Array.from({ length: x.shape[d]! }, (_, j) => i + j * stride));
  }
  return all;
}

/** m = max of a row and the sum of exp(x_k - m). */
function maxAndSumOfExp(x: NdArray, row: number[]): [max: number, sum: number] {
  const max = row.reduce((a, i) => Math.max(a, x.data[i]!), -Infinity);
  return [max, row.reduce((sum, i) => sum + Math.exp(x.data[i]! - max), 0)];
}

/** y_j = exp(x_j - m) / sum_k exp(x_k - m), where m is the row's maximum. */
export const softmax: Reference<[x: NdArray], SoftmaxAttrs> = {
  forward([x], attrs) {
    const y = zerosLike(x);
    for (const row of rows(x, attrs)) {
      const [max, sum] = maxAndSumOfExp(x, row);
      for (const i of row) y.data[i] = Math.exp(x.data[i]! - max) / sum;
    }
    return y;
  },

  /** dx_j = y_j (dout_j - sum_k dout_k y_k) */
  backward([x], output, dout, attrs) {
    const dx = zerosLike(x);
    for (const row of rows(x, attrs)) {
      const inner = row.reduce((sum, i) => sum + dout.data[i]! * output.data[i]!, 0);
      for (const i of row) dx.data[i] = output.data[i]! * (dout.data[i]! - inner);
    }
    return [dx];
  },
};

/** y_j = x_j - m - log sum_k exp(x_k - m), where m is the row's maximum. */
export const logSoftmax: Reference<[x: NdArray], SoftmaxAttrs> = {
  forward([x], attrs) {
    const y = zerosLike(x);
    for (const row of rows(x, attrs)) {
      const [max, sum] = maxAndSumOfExp(x, row);
      for (const i of row) y.data[i] = x.data[i]! - max - Math.log(sum);
    }
    return y;
  },

  /** dx_j = dout_j - exp(y_j) sum_k dout_k */
  backward([x], output, dout, attrs) {
    const dx = zerosLike(x);
    for (const row of rows(x, attrs)) {
      const sum = row.reduce((total, i) => total + dout.data[i]!, 0);
      for (const i of row) dx.data[i] = dout.data[i]! - Math.exp(output.data[i]!) * sum;
    }
    return [dx];
  },
};
