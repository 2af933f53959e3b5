import { checkOptions } from '../check.ts';
import * as kernels from '../kernels/matmul.ts';
import { biasAdd as biasAddKernel, reluGrad } from '../kernels/pointwise.ts';
import { sumRows } from '../kernels/reduce.ts';
import { arrayOf, type FusedActivation, wantsRelu } from './arguments.ts';
import { taped } from './tape.ts';
import type { Tensor } from './tensor.ts';

/**
 * Matrix product of a [M,K] and b [K,N] -> [M,N]; with `transposeA` a is [K,M], with `transposeB` b is [N,K].
 *
 *     c = a b      da = dc b^T      db = a^T dc
 * @throws ShapeError, ArgumentError
 */
export function matmul(a: Tensor, b: Tensor, options: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor {
  checkOptions('matmul', options);
  const { transposeA = false, transposeB = false } = options;
  const left = arrayOf('matmul', 'the left matrix', a);
  const right = arrayOf('matmul', 'the right matrix', b);
  const c = kernels.matmul(left, right, { transposeA, transposeB });
  return taped(c, [a, b], (dc, { wants, into }) => {
    const times = (x: typeof dc, y: typeof dc, tx: boolean, ty: boolean, i: number) =>
      kernels.matmul(x, y, { transposeA: tx, transposeB: ty, into: into(i) });
    // For a transposed argument the product is transposed too: (dc b^T)^T = b dc^T.
    const da = () => (transposeA ? times(right, dc, transposeB, true, 0) : times(dc, right, false, !transposeB, 0));
    const db = () => (transposeB ? times(dc, left, true, transposeA, 1) : times(left, dc, !transposeA, false, 1));
    return [wants(0) ? da() : null, wants(1) ? db() : null];
  });
}

/**
 * A dense layer: act(x w + b), bias and activation fused into the product's store.
 * x [N,K], weight [K,U], bias [U] or null -> [N,U].
 *
 *     dz = dy where y > 0 (relu)      dx = dz w^T      dw = x^T dz      db = column sums of dz
 * @throws ShapeError, ArgumentError
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: { activation?: FusedActivation } = {},
): Tensor {
  checkOptions('linear', options);
  const relu = wantsRelu('linear', options.activation);
  const input = arrayOf('linear', 'the input', x);
  const w = arrayOf('linear', 'the weight', weight);
  const offset = bias === null ? null : arrayOf('linear', 'the bias', bias);
  const y = kernels.matmul(input, w, { bias: offset, relu, operator: 'linear' });
  return taped(y, bias ? [x, weight, bias] : [x, weight], (dy, { wants, into }) => {
    const dz = relu ? reluGrad(y, dy) : dy;
    const dw = wants(1) ? kernels.matmul(input, dz, { transposeA: true, into: into(1) }) : null;
    const db = bias && wants(2) ? sumRows(dz, bias.size, { into: into(2) }) : null;
    const dx = wants(0) ? kernels.matmul(dz, w, { transposeB: true, into: into(0) }) : null;
    if (relu) dz.dispose();
    return [dx, dw, db];
  });
}

/**
 * x [..., C] plus bias [C], the same for every row.
 *
 *     dx = dy      db = sum of dy over all axes but the last
 * @throws ShapeError, ArgumentError
 */
export function biasAdd(x: Tensor, bias: Tensor): Tensor {
  const y = biasAddKernel(arrayOf('biasAdd', 'the input', x), arrayOf('biasAdd', 'the bias', bias));
  return taped(y, [x, bias], (dy, { wants, into }) => [
    wants(0) ? dy : null,
    wants(1) ? sumRows(dy, bias.size, { into: into(1) }) : null,
  ]);
}
