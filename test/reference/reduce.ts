import { map, type NdArray, ndarray, sizeOf } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface ReduceAttrs {
  axis?: number | readonly number[];
  keepDims?: boolean;
}

/** The shape of the result, and for each element of x the index of its result. */
function reduction(x: NdArray, { axis, keepDims }: ReduceAttrs): { shape: number[]; target: number[]; count: number } {
  const rank = x.shape.length;
  const named = axis === undefined ? x.shape.map((_, d) => d) : [axis].flat().map((d) => (d + rank) % rank);
  const left = x.shape.map((n, d) => (named.includes(d) ? 1 : n));
  const target = Array.from(x.data, (_, i) => {
    let [rest, place, stride] = [i, 0, 1];
    for (let d = rank - 1; d >= 0; d--) {
      place += Math.min(rest % x.shape[d]!, left[d]! - 1) * stride;
      stride *= left[d]!;
      rest = Math.floor(rest / x.shape[d]!);
    }
    return place;
  });
  const count = sizeOf(named.map((d) => x.shape[d]!));
  return { shape: keepDims ? left : left.filter((_, d) => !named.includes(d)), target, count };
}

function sums(x: NdArray, attrs: ReduceAttrs): NdArray {
  const { shape, target } = reduction(x, attrs);
  const y = ndarray(shape);
  x.data.forEach((value, i) => {
    y.data[target[i]!]! += value;
  });
  return y;
}

/** y = sum of its x_i; dx_i = dout */
export const sum: Reference<[x: NdArray], ReduceAttrs> = {
  forward: ([x], attrs) => sums(x, attrs),
  backward([x], _output, dout, attrs) {
    const { target } = reduction(x, attrs);
    return [map(x, (_, i) => dout.data[target[i]!]!)];
  },
};

/** y = (1/n) sum of its x_i; dx_i = dout / n */
export const mean: Reference<[x: NdArray], ReduceAttrs> = {
  forward([x], attrs) {
    const { count } = reduction(x, attrs);
    return map(sums(x, attrs), (total) => total / count);
  },
  backward([x], _output, dout, attrs) {
    const { target, count } = reduction(x, attrs);
    return [map(x, (_, i) => dout.data[target[i]!]! / count)];
  },
};

/** y = the largest (or smallest) x_i, or NaN if any is NaN; dx_i = dout / k for the k elements equal to y (PyTorch's amax). */
function extreme(better: (a: number, b: number) => number): Reference<[x: NdArray], ReduceAttrs> {
  return {
    forward([x], attrs) {
      const { shape, target } = reduction(x, attrs);
      const y = ndarray(shape);
      y.data.fill(better(-Infinity, Infinity) === Infinity ? -Infinity : Infinity);
      x.data.forEach((value, i) => {
        y.data[target[i]!] = better(y.data[target[i]!]!, value);
      });
      return y;
    },
    backward([x], output, dout, attrs) {
      const { target } = reduction(x, attrs);
      const equal = map(x, (value, i) => (value === output.data[target[i]!] ? 1 : 0));
      const counts = sums(equal, attrs);
      return [map(equal, (one, i) => (dout.data[target[i]!]! / counts.data[target[i]!]!) * one)];
    },
  };
}
export const max = extreme(Math.max);
export const min = extreme(Math.min);

/** y = sum (x_i - mean)^2 / (n - ddof); dx_i = 2 dout (x_i - mean) / (n - ddof) */
export const variance: Reference<[x: NdArray], ReduceAttrs & { ddof?: number }> = {
  forward([x], attrs) {
    const { target, count } = reduction(x, attrs);
    const means = mean.forward([x], attrs);
    const squares = map(x, (value, i) => (value - means.data[target[i]!]!) ** 2);
    return map(sums(squares, attrs), (total) => total / (count - (attrs.ddof ?? 0)));
  },
  backward([x], _output, dout, attrs) {
    const { target, count } = reduction(x, attrs);
    const means = mean.forward([x], attrs);
    const scale = 2 / (count - (attrs.ddof ?? 0));
    return [map(x, (value, i) => scale * dout.data[target[i]!]! * (value - means.data[target[i]!]!))];
  },
};

/** Index of the first minimum, or of the first NaN. */
export const argmin = (x: NdArray, attrs: { axis?: number; keepDims?: boolean }): NdArray =>
  argmax(
    map(x, (value) => -value),
    attrs,
  );

/** Index of the first maximum, or of the first NaN, along `axis` (default: in the flattened x). */
export function argmax(x: NdArray, attrs: { axis?: number; keepDims?: boolean }): NdArray {
  const { shape, target } = reduction(x, attrs);
  const rank = x.shape.length;
  const axis = attrs.axis === undefined ? undefined : (attrs.axis + rank) % rank;
  const stride = axis === undefined ? 1 : sizeOf(x.shape.slice(axis + 1));
  const length = axis === undefined ? x.data.length : x.shape[axis]!;
  const y = ndarray(shape);
  const best: number[] = [];
  x.data.forEach((value, i) => {
    const old = best[target[i]!];
    if (old === undefined || value > old || (Number.isNaN(value) && !Number.isNaN(old))) {
      best[target[i]!] = value;
      y.data[target[i]!] = Math.floor(i / stride) % length;
    }
  });
  return y;
}
