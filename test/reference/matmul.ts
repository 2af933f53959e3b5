import { type Activation, activate, activationGrad } from './activation.ts';
import { biasAdd, biasGrad } from './elementwise.ts';
import { type NdArray, ndarray } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface MatmulAttrs {
  transposeA?: boolean;
  transposeB?: boolean;
}

export interface LinearAttrs {
  activation?: Activation;
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

/** C = op(A) op(B), op the identity or the transpose. */
export const matmul: Reference<[a: NdArray, b: NdArray], MatmulAttrs> = {
  forward([a, b], { transposeA, transposeB }) {
    return product(transposeA ? transpose(a) : a, transposeB ? transpose(b) : b);
  },

  /** d op(A) = dC op(B)^T, d op(B) = op(A)^T dC; a transposed input has the transposed gradient. */
  backward([a, b], _output, dout, { transposeA, transposeB }) {
    const da = product(dout, transposeB ? b : transpose(b));
    const db = product(transposeA ? a : transpose(a), dout);
    return [transposeA ? transpose(da) : da, transposeB ? transpose(db) : db];
  },
};

/** y = activation(x W + b) */
export const linear: Reference<[x: NdArray, weight: NdArray, bias?: NdArray], LinearAttrs> = {
  forward([x, weight, bias], { activation }) {
    const z = product(x, weight);
    return activate(bias ? biasAdd.forward([z, bias], {}) : z, activation);
  },

  /** dz = activation'(y) dy; dx = dz W^T, dW = x^T dz, db = sum of dz over the rows. */
  backward([x, weight, bias], output, dout, { activation }) {
    const dz = activationGrad(output, dout, activation);
    const grads = [product(dz, transpose(weight)), product(transpose(x), dz)];
    return bias ? [...grads, biasGrad(dz, bias)] : grads;
  },
};
