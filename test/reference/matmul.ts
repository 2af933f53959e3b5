import { type Activation, activate, activationGrad } from './activation.ts';
import { biasAdd, biasGrad } from './elementwise.ts';
import { type NdArray, ndarray, sizeOf, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface MatmulAttrs {
  transposeA?: boolean;
  transposeB?: boolean;
}

export interface LinearAttrs {
  activation?: Activation;
  negativeSlope?: number;
}

function transpose(a: NdArray): NdArray {
  const [rows = 0, columns = 0] = a.shape;
  const t = ndarray([columns, rows]);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) t.data[j * rows + i] = a.data[i * columns + j]!;
  }
  return t;
}

/** c[i,j] = sum_k a[i,k] b[k,j] */
function product(a: NdArray, b: NdArray): NdArray {
  const [m = 0, depth = 0] = a.shape;
  const [, n = 0] = b.shape;
  const c = ndarray([m, n]);
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < depth; k++) {
      const value = a.data[i * depth + k]!;
      for (let j = 0; j < n; j++) c.data[i * n + j]! += value * b.data[k * n + j]!;
    }
  }
  return c;
}

const batchOf = (a: NdArray) => a.shape.slice(0, -2);

/** Calls f for each pair of matrices after broadcasting, with the indices of both and of the result. */
function forEachPair(
  a: NdArray,
  b: NdArray,
  f: (a: NdArray, b: NdArray, at: [number, number, number]) => void,
): number[] {
  const rank = Math.max(a.shape.length, b.shape.length) - 2;
  const padded = [a, b].map((x) => [...Array(rank + 2 - x.shape.length).fill(1), ...batchOf(x)] as number[]);
  const batch = padded[0]!.map((n, d) => (n === 1 ? padded[1]![d]! : n));
  for (let i = 0; i < sizeOf(batch); i++) {
    const offsets = padded.map((sizes) => {
      let [rest, place, stride] = [i, 0, 1];
      for (let d = rank - 1; d >= 0; d--) {
        place += (sizes[d] === 1 ? 0 : rest % batch[d]!) * stride;
        stride *= sizes[d]!;
        rest = Math.floor(rest / batch[d]!);
      }
      return place;
    });
    const matrix = (x: NdArray, place: number) => {
      const size = sizeOf(x.shape.slice(-2));
      return { shape: x.shape.slice(-2), data: x.data.subarray(place * size, (place + 1) * size) };
    };
    f(matrix(a, offsets[0]!), matrix(b, offsets[1]!), [offsets[0]!, offsets[1]!, i]);
  }
  return batch;
}

function addAt(target: NdArray, place: number, matrix: NdArray): void {
  matrix.data.forEach((value, i) => {
    target.data[place * matrix.data.length + i]! += value;
  });
}

/** C = op(A) op(B) for each pair of a batch, where op is the identity or the transpose; batch axes broadcast. */
export const matmul: Reference<[a: NdArray, b: NdArray], MatmulAttrs> = {
  forward([a, b], { transposeA, transposeB }) {
    const products: NdArray[] = [];
    const batch = forEachPair(a, b, (p, q) => {
      products.push(product(transposeA ? transpose(p) : p, transposeB ? transpose(q) : q));
    });
    const size = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
    const c = ndarray([...batch, ...size]);
    for (const [i, matrix] of products.entries()) addAt(c, i, matrix);
    return c;
  },

  /** d op(A) = dC op(B)^T, d op(B) = op(A)^T dC; the gradient of a transposed input is transposed, that of a broadcast input summed. */
  backward([a, b], _output, dout, { transposeA, transposeB }) {
    const [da, db] = [zerosLike(a), zerosLike(b)];
    const size = sizeOf(dout.shape.slice(-2));
    forEachPair(a, b, (p, q, [atA, atB, i]) => {
      const dc = { shape: dout.shape.slice(-2), data: dout.data.subarray(i * size, (i + 1) * size) };
      const dp = product(dc, transposeB ? q : transpose(q));
      const dq = product(transposeA ? p : transpose(p), dc);
      addAt(da, atA, transposeA ? transpose(dp) : dp);
      addAt(db, atB, transposeB ? transpose(dq) : dq);
    });
    return [da, db];
  },
};

/** Merges all axes except the last into rows. */
function flat(x: NdArray): NdArray {
  const columns = x.shape.at(-1)!;
  return { shape: [sizeOf(x.shape.slice(0, -1)), columns], data: x.data };
}

/** z = x W + b, with x as rows of its last axis. */
function beforeActivation([x, weight, bias]: [x: NdArray, weight: NdArray, bias?: NdArray]): NdArray {
  const z = product(flat(x), weight);
  return bias ? biasAdd.forward([z, bias], {}) : z;
}

/** y = activation(x W + b), over the last axis of x */
export const linear: Reference<[x: NdArray, weight: NdArray, bias?: NdArray], LinearAttrs> = {
  forward(inputs, { activation, negativeSlope }) {
    const [x, weight] = inputs;
    const y = activate(beforeActivation(inputs), activation, negativeSlope);
    return { shape: [...x.shape.slice(0, -1), weight.shape[1]!], data: y.data };
  },

  /** dz = activation'(z) dy; dx = dz W^T, dW = x^T dz, db = sum of dz over the rows. */
  backward(inputs, output, dout, { activation, negativeSlope }) {
    const [x, weight, bias] = inputs;
    const z = activation ? beforeActivation(inputs) : output;
    const dz = flat(activationGrad(z, output, dout, activation, negativeSlope));
    const dx = product(dz, transpose(weight));
    const grads = [{ shape: x.shape, data: dx.data }, product(transpose(flat(x)), dz)];
    return bias ? [...grads, biasGrad(dz, bias)] : grads;
  },
};
