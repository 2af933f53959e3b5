import matmulCode from '../../shaders/matmul.wgsl';
import subgroupCode from '../../shaders/matmul_subgroup.wgsl';
import { ArgumentError, ShapeError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { type DeviceArray, showShape, sizeOf } from './array.ts';
import { checkDType, commonModels, output, runKernel } from './run.ts';
import { broadcastTo } from './view.ts';

export interface MatmulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  /** [N], added to every row in the kernel's store. */
  bias?: DeviceArray | null;
  relu?: boolean;
  into?: DeviceArray;
  /** For tests and the tuner; normally chosen by adapter and shape. */
  variant?: MatmulVariant;
  /** The operator named in errors. */
  operator?: string;
}

/** Every implementation, the reference first. */
export const matmulVariants = ['naive', 'subgroup'] as const;
export type MatmulVariant = (typeof matmulVariants)[number];

/** What one dimension of a dispatch holds. */
const MAX_GROUPS = 65535;

/**
 * Matrix products a b (either side transposed on demand), bias and ReLU fused into the store. Axes before the last two
 * are a batch of products; they broadcast as in NumPy and PyTorch. Compute-bound.
 * @param a [...,M,K], or [...,K,M] with `transposeA`
 * @param b [...,K,N], or [...,N,K] with `transposeB`
 * @returns [...,M,N]
 * @throws ShapeError, ArgumentError
 */
export function matmul(a: DeviceArray, b: DeviceArray, options: MatmulOptions = {}): DeviceArray {
  const { transposeA = false, transposeB = false, bias, relu = false, operator = 'matmul' } = options;
  checkDType(operator, 'the left matrix', a, 'f32');
  checkDType(operator, 'the right matrix', b, 'f32');
  if (bias) checkDType(operator, 'the bias', bias, 'f32');
  const models = commonModels(operator, [a, b, bias]);
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
  const c = output(a.device, [...batchShape, rows, n], models, options.into);
  let m = rows;
  if (!transposeA && batchOf(a) === batch && batchOf(b) === 1) {
    m *= batch; // all rows meet the same matrix: one tall product
    batch = 1;
  }
  const left = spreadBatch(operator, a, batch, batchShape);
  const right = spreadBatch(operator, b, batch, batchShape);
  const share = (x: DeviceArray) => (batchOf(x) === 1 ? batch : 1);
  // The last ones of these: which products share a matrix, after the number of the first product of a dispatch.
  const shares = batch === 1 || batch === 0 ? [1, 1, 1] : [share(left), share(right), batch];
  const bindings = [left, right, bias ?? right, c];
  const serves = matmulServes('subgroup', a.device, { m, n, k, transposeA, transposeB });
  if (options.variant === 'subgroup' && !serves) {
    throw new ArgumentError(`${operator}: the variant subgroup does not serve this adapter or these sizes (${shapes})`);
  }
  const flags = [bias ? 1 : 0, relu ? 1 : 0];
  const products = models * batch;
  for (let first = 0; first < products; first += MAX_GROUPS) {
    const z = Math.min(MAX_GROUPS, products - first);
    if (serves && options.variant !== 'naive') {
      const lanes = a.device.subgroupLanes!;
      const constants = { TRANSPOSE_A: transposeA ? 1 : 0, TRANSPOSE_B: transposeB ? 1 : 0, LANES: lanes };
      const source = { name: 'matmul_subgroup', code: subgroupCode, constants };
      const groups = [Math.ceil(n / (4 * lanes)), Math.ceil(m / 8), z] as const;
      runKernel(a.device, source, [m, n, k, ...flags, first, ...shares], bindings, groups);
    } else {
      const strides = [
        ...(transposeA ? [1, aColumns] : [aColumns, 1]),
        ...(transposeB ? [bColumns, 1] : [1, bColumns]),
      ];
      const groups = [Math.ceil(n / 8), Math.ceil(m / 8), z] as const;
      const source = { name: 'matmul', code: matmulCode };
      runKernel(a.device, source, [m, n, k, ...strides, ...flags, first, ...shares], bindings, groups);
    }
  }
  if (left !== a) left.dispose();
  if (right !== b) right.dispose();
  return c;
}

function matrixOf(operator: string, what: string, x: DeviceArray): [rows: number, columns: number] {
  if (x.shape.length < 2) {
    throw new ShapeError(
      `${operator}: ${what} must have at least rank 2 (rows, columns), but has shape ${showShape(x.shape)}`,
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

/** x itself where each product has its own matrix or all have one; else x repeated to the whole batch. */
function spreadBatch(operator: string, x: DeviceArray, batch: number, batchShape: readonly number[]): DeviceArray {
  const own = batchOf(x);
  if (own === batch || own === 1 || batch === 1) return x;
  return broadcastTo(operator, x, [...batchShape, ...x.shape.slice(-2)]);
}

interface Sizes {
  m: number;
  n: number;
  k: number;
  transposeA?: boolean;
  transposeB?: boolean;
}

/** Whether a variant has a kernel for this adapter and these sizes. The reference always has. */
export function matmulServes(variant: MatmulVariant, device: Device, sizes: Sizes): boolean {
  if (variant === 'naive') return true;
  // It loads four values at a time along the inner axis of each matrix. Both transposed at once nobody asks for.
  const { m, n, k, transposeA, transposeB } = sizes;
  const inner = [k, transposeA ? m : k, transposeB ? k : n];
  const fits = m * n * k > 0 && inner.every((size) => size % 4 === 0);
  return device.subgroupLanes !== null && fits && !(transposeA && transposeB);
}
