import { checkOptions } from '../../base/check.ts';
import { type DeviceArray, sameShape, sizeOf } from '../../kernels/array.ts';
import { activationGrad, applyActivation } from '../../kernels/epilogue.ts';
import * as kernels from '../../kernels/matmul/matmul.ts';
import { biasAdd as biasAddKernel } from '../../kernels/pointwise/pointwise.ts';
import { sumAxes, sumRows } from '../../kernels/reduce/reduce.ts';
import { checkRank, output } from '../../kernels/run.ts';
import { type ActivationOptions, activationNames, parseActivation } from '../arguments.ts';
import type { Backward } from '../node.ts';
import { recordOperator } from '../record-operator.ts';
import { isTaped } from '../tape.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/**
 * Matrix product of a [...,M,K] and b [...,K,N] -> [...,M,N]; with `transposeA` a is [...,K,M], with `transposeB` b is
 * [...,N,K]. Axes before the last two are a batch of products and broadcast as in NumPy and PyTorch.
 *
 *     c = a b      da = dc b^T      db = a^T dc, each summed over the axes along which a or b was repeated
 * @param options.transposeA whether a is [...,K,M]; default false
 * @param options.transposeB whether b is [...,N,K]; default false
 * @throws ShapeError, ArgumentError
 */
export function matmul(a: Tensor, b: Tensor, options: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor {
  checkOptions('matmul', options, { transposeA: true, transposeB: true });
  const { transposeA = false, transposeB = false } = options;
  const left = arrayOf('matmul', 'the left matrix', a);
  const right = arrayOf('matmul', 'the right matrix', b);
  const c = kernels.matmul(left, right, { transposeA, transposeB });
  return recordOperator(c, [a, b], (dc, { needsGrad, into }) => {
    const times = (x: DeviceArray, y: DeviceArray, tx: boolean, ty: boolean, i: number) =>
      gradientProduct(i === 0 ? left : right, x, y, tx, ty, into(i));
    // For a transposed argument the product is transposed too: (dc b^T)^T = b dc^T.
    const da = () => (transposeA ? times(right, dc, transposeB, true, 0) : times(dc, right, false, !transposeB, 0));
    const db = () => (transposeB ? times(dc, left, true, transposeA, 1) : times(left, dc, !transposeA, false, 1));
    return [needsGrad(0) ? da() : null, needsGrad(1) ? db() : null];
  });
}

/** The product x y as the gradient of an argument, summed over the batch axes that the argument lacks or has with size 1. */
function gradientProduct(
  argument: DeviceArray,
  x: DeviceArray,
  y: DeviceArray,
  transposeA: boolean,
  transposeB: boolean,
  into: DeviceArray | undefined,
): DeviceArray {
  const batched = (array: DeviceArray) => array.shape.length > 2;
  if (argument.shape.length === 2 && transposeA && !transposeB && batched(x) && sameBatch(x, y)) {
    // x_1^T y_1 + x_2^T y_2 + .. is one product of the stacked matrices, so no sum is needed.
    const [tallX, tallY] = [x, y].map((array) => array.reshape([rowsOf(array), array.shape.at(-1)!]));
    const product = kernels.matmul(tallX!, tallY!, { transposeA, into });
    tallX!.dispose();
    tallY!.dispose();
    return product;
  }
  const batch = kernels.commonBatch('matmul', x, y, '');
  const missing = batch.length + 2 - argument.shape.length;
  const axes = batch.flatMap((n, d) => (d < missing || (n !== 1 && argument.shape[d - missing] === 1) ? [d] : []));
  if (axes.length === 0) return kernels.matmul(x, y, { transposeA, transposeB, into });
  const each = kernels.matmul(x, y, { transposeA, transposeB });
  const total = sumAxes('matmul', each, axes, argument.shape, 1, into);
  each.dispose();
  return total;
}

const sameBatch = (x: DeviceArray, y: DeviceArray) => sameShape(x.shape.slice(0, -2), y.shape.slice(0, -2));
const rowsOf = (x: DeviceArray) => sizeOf(x.shape.slice(0, -1));

/**
 * A dense layer: act(x w + b), bias and activation fused into the product's store. If a gradient is required, `sigmoid` and `tanh`
 * run as a separate kernel, because their derivatives need z.
 * x [...,K], weight [K,U], bias [U] or null -> [...,U]; x has at least rank 2.
 *
 *     dz = dy act'(z)      dx = dz w^T      dw = x^T dz      db = sum of dz over all axes but the last
 * @throws ShapeError, ArgumentError
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: ActivationOptions = {}): Tensor {
  checkOptions('linear', options, activationNames);
  const activation = parseActivation('linear', options);
  const input = arrayOf('linear', 'the input', x);
  const w = arrayOf('linear', 'the weight', weight);
  checkRank('linear', 'the weight', w, 2, 'inputs, units');
  const offset = bias === null ? null : arrayOf('linear', 'the bias', bias);
  const inputs = bias ? [x, weight, bias] : [x, weight];
  const run = applyActivation(activation, isTaped(inputs), (activation) =>
    kernels.matmul(input, w, { bias: offset, activation, operator: 'linear' }),
  );
  const backward: Backward = (dy, { needsGrad, into }) => {
    const dz = activationGrad(activation, run, dy);
    const db = bias && needsGrad(2) ? output(w.device, [bias.size], w.replicas, into(2)) : null;
    let dw: DeviceArray | null = null;
    if (needsGrad(1)) {
      const [rows, drows] = [input, dz].map((array) => array.reshape([rowsOf(array), array.shape.at(-1)!]));
      dw = kernels.matmul(rows!, drows!, { transposeA: true, into: into(1), columnSums: db });
      rows!.dispose();
      drows!.dispose();
    } else if (db) {
      sumRows(dz, db.size, { into: db });
    }
    const through = x.isReluOutput ? input : null;
    const dx = needsGrad(0) ? kernels.matmul(dz, w, { transposeB: true, into: into(0), reluMask: through }) : null;
    if (dx) dx.appliedReluMask = through;
    if (dz !== dy) dz.dispose();
    return [dx, dw, db];
  };
  const result = recordOperator(run.y, inputs, backward, {
    saved: run.derivativeInput === run.y ? [] : [run.derivativeInput],
  });
  result.isReluOutput = activation?.name === 'relu';
  return result;
}

/**
 * x [..., C] plus bias [C], the same for every row.
 *
 *     dx = dy      db = sum of dy over all axes but the last
 * @throws ShapeError, ArgumentError
 */
export function biasAdd(x: Tensor, bias: Tensor): Tensor {
  const y = biasAddKernel(arrayOf('biasAdd', 'the input', x), arrayOf('biasAdd', 'the bias', bias));
  return recordOperator(y, [x, bias], (dy, { needsGrad, into }) => [
    needsGrad(0) ? dy : null,
    needsGrad(1) ? sumRows(dy, bias.size, { into: into(1) }) : null,
  ]);
}
