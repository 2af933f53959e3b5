import { ShapeError } from '../../base/errors.ts';
import { type DeviceArray, showShape, sizeOf } from '../array.ts';
import type { ProductEpilogue } from '../epilogue.ts';
import { sumRows } from '../reduce/reduce.ts';
import { checkDType, commonReplicas, output } from '../run.ts';
import { broadcastTo, transpose } from '../view.ts';
import { type MatmulVariant, runMatmul, shouldTranspose, withMatmulVariant } from './matmul-variants.ts';

export interface MatmulOptions extends ProductEpilogue {
  transposeA?: boolean;
  transposeB?: boolean;
  into?: DeviceArray;
  /** f32 [N]; receives the column sums of b, which must be one [K,N] matrix. For b = dy it is the bias gradient. */
  columnSums?: DeviceArray | null;
  /** For tests and the tuner; normally chosen by adapter and shape. */
  variant?: MatmulVariant;
  /** Operator in error messages. Default 'matmul'. */
  operator?: string;
}

export { type MatmulVariant, matmulSupports, matmulVariants } from './matmul-variants.ts';

/**
 * Matrix products a b, with bias and activation fused into the store. Axes before the last two are a batch of products, which broadcast
 * as in NumPy and PyTorch. Compute-bound.
 * @param a [...,M,K], or [...,K,M] with `transposeA`
 * @param b [...,K,N], or [...,N,K] with `transposeB`
 * @returns [...,M,N]
 * @throws ShapeError, ArgumentError
 */
export function matmul(a: DeviceArray, b: DeviceArray, options: MatmulOptions = {}): DeviceArray {
  const { transposeA = false, transposeB = false, bias, activation, reluMask, operator = 'matmul' } = options;
  checkDType(operator, 'the left matrix', a, 'f32');
  checkDType(operator, 'the right matrix', b, 'f32');
  if (bias) checkDType(operator, 'the bias', bias, 'f32');
  const replicas = commonReplicas(operator, [a, b, bias]);
  const [aRows, aColumns] = matrixOf(operator, 'the left matrix', a);
  const [bRows, bColumns] = matrixOf(operator, 'the right matrix', b);
  const [rows, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [kOfB, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
  const shapes = `${showShape(a.shape)}${transposeA ? ' transposed' : ''} x ${showShape(b.shape)}${transposeB ? ' transposed' : ''}`;
  if (k !== kOfB) throw new ShapeError(`${operator}: the inner sizes differ, ${k} and ${kOfB} (${shapes})`);
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== n)) {
    throw new ShapeError(`${operator}: the bias must have shape [${n}], but has ${showShape(bias.shape)} (${shapes})`);
  }
  const batchShape = commonBatch(operator, a, b, shapes);
  let batch = sizeOf(batchShape);
  const c = output(a.device, [...batchShape, rows, n], replicas, options.into);
  let m = rows;
  if (!transposeA && batchOf(a) === batch && batchOf(b) === 1) {
    m *= batch; // all rows meet the same matrix: one tall product
    batch = 1;
  }
  withMatmulVariant(a.device, { m, n, k, transposeA, transposeB, batch }, options.variant, (variant) => {
    const copyTransposedA = transposeA && batch === 1 && shouldTranspose(variant, k * m, n);
    const copyTransposedB = !transposeB && batch === 1 && shouldTranspose(variant, k * n, m);
    const left = copyTransposedA ? copyTransposed(operator, a) : broadcastBatch(operator, a, batch, batchShape);
    const right = copyTransposedB ? copyTransposed(operator, b) : broadcastBatch(operator, b, batch, batchShape);
    const summed = runMatmul(variant, left, right, c, {
      ...{ m, n, k, replicas, batch },
      epilogue: { bias, activation, reluMask },
      transposeA: transposeA && !copyTransposedA,
      transposeB: transposeB || copyTransposedB,
      aShare: batchOf(left) === 1 ? batch : 1,
      bShare: batchOf(right) === 1 ? batch : 1,
      columnSums: options.columnSums ?? undefined,
    });
    if (options.columnSums && !summed) sumRows(b, n, { into: options.columnSums });
    if (left !== a) left.dispose();
    if (right !== b) right.dispose();
  });
  return c;
}

function matrixOf(operator: string, argument: string, x: DeviceArray): [rows: number, columns: number] {
  if (x.shape.length < 2) {
    throw new ShapeError(
      `${operator}: ${argument} must have at least rank 2 (rows, columns), but has shape ${showShape(x.shape)}`,
    );
  }
  return x.shape.slice(-2) as [number, number];
}

const batchOf = (x: DeviceArray) => sizeOf(x.shape.slice(0, -2));

/** The batch axes of a and b broadcast together. @throws ShapeError */
export function commonBatch(operator: string, a: DeviceArray, b: DeviceArray, shapes: string): number[] {
  const rank = Math.max(a.shape.length, b.shape.length) - 2;
  return Array.from({ length: rank }, (_, d) => {
    const [p = 1, q = 1] = [a.shape.at(d - rank - 2), b.shape.at(d - rank - 2)];
    if (p !== q && p !== 1 && q !== 1)
      throw new ShapeError(`${operator}: the batch axes do not broadcast, ${p} and ${q} (${shapes})`);
    return p === 1 ? q : p;
  });
}

/** A copy of x with each matrix transposed. */
function copyTransposed(operator: string, x: DeviceArray): DeviceArray {
  const axes = x.shape.map((_, d) => d);
  return transpose(operator, x, [...axes.slice(0, -2), ...axes.slice(-2).reverse()]);
}

/** x repeated to the whole batch; or x itself, if it has one matrix for each product or one for all. */
function broadcastBatch(operator: string, x: DeviceArray, batch: number, batchShape: readonly number[]): DeviceArray {
  const matrices = batchOf(x);
  if (matrices === batch || matrices === 1 || batch === 1) return x;
  return broadcastTo(operator, x, [...batchShape, ...x.shape.slice(-2)]);
}
