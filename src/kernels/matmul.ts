import matmulCode from '../../shaders/matmul.wgsl';
import subgroupCode from '../../shaders/matmul_subgroup.wgsl';
import { ArgumentError, ShapeError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { type DeviceArray, showShape } from './array.ts';
import { checkDType, checkRank, commonModels, output, runKernel } from './run.ts';

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

/**
 * Matrix product a b (either side transposed on demand), bias and ReLU fused into the store. Compute-bound.
 * @param a [M,K], or [K,M] with `transposeA`
 * @param b [K,N], or [N,K] with `transposeB`
 * @returns [M,N]
 * @throws ShapeError, ArgumentError
 */
export function matmul(a: DeviceArray, b: DeviceArray, options: MatmulOptions = {}): DeviceArray {
  const { transposeA = false, transposeB = false, bias, relu = false, operator = 'matmul' } = options;
  checkDType(operator, 'the left matrix', a, 'f32');
  checkDType(operator, 'the right matrix', b, 'f32');
  checkRank(operator, 'the left matrix', a, 2, 'rows, columns');
  checkRank(operator, 'the right matrix', b, 2, 'rows, columns');
  if (bias) checkDType(operator, 'the bias', bias, 'f32');
  const models = commonModels(operator, [a, b, bias]);
  const [aRows, aColumns] = a.shape as [number, number];
  const [bRows, bColumns] = b.shape as [number, number];
  const [m, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [kOfB, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
  const shapes = `${showShape(a.shape)}${transposeA ? ' transposed' : ''} x ${showShape(b.shape)}${transposeB ? ' transposed' : ''}`;
  if (k !== kOfB) throw new ShapeError(`${operator}: the inner sizes differ, ${k} and ${kOfB} (${shapes})`);
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== n)) {
    throw new ShapeError(`${operator}: the bias must have shape [${n}], but has ${showShape(bias.shape)} (${shapes})`);
  }
  const c = output(a.device, [m, n], models, options.into);
  const bindings = [a, b, bias ?? b, c];
  const serves = matmulServes('subgroup', a.device, { m, n, k, transposeA, transposeB });
  if (options.variant === 'subgroup' && !serves) {
    throw new ArgumentError(`${operator}: the variant subgroup does not serve this adapter or these sizes (${shapes})`);
  }
  if (serves && options.variant !== 'naive') {
    const lanes = a.device.subgroupLanes!;
    const transposes = { TRANSPOSE_A: transposeA ? 1 : 0, TRANSPOSE_B: transposeB ? 1 : 0, LANES: lanes };
    runKernel(
      a.device,
      { name: 'matmul_subgroup', code: subgroupCode, constants: transposes },
      [m, n, k, bias ? 1 : 0, relu ? 1 : 0],
      bindings,
      [Math.ceil(n / (4 * lanes)), Math.ceil(m / 8), models],
    );
    return c;
  }
  const strides = [...(transposeA ? [1, aColumns] : [aColumns, 1]), ...(transposeB ? [bColumns, 1] : [1, bColumns])];
  runKernel(
    a.device,
    { name: 'matmul', code: matmulCode },
    [m, n, k, ...strides, bias ? 1 : 0, relu ? 1 : 0],
    bindings,
    [Math.ceil(n / 8), Math.ceil(m / 8), models],
  );
  return c;
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
