import { ArgumentError, ShapeError } from '../base/errors.ts';
import type { Device, Workgroups } from '../gpu/device.ts';
import type { KernelSource } from '../gpu/pipelines.ts';
import { DeviceArray, type DType, type Shape, sameShape, showShape } from './array.ts';

/** Invocations in a workgroup of the kernels that handle one element each. */
const WORKGROUP_SIZE = 64;

/** Workgroups for `n` independent elements of each replica, folded into two dimensions because one holds only 65,535. */
export function elementwiseWorkgroups(n: number, replicas = 1): Workgroups {
  const groups = Math.ceil(n / WORKGROUP_SIZE);
  const x = Math.min(groups, 32768);
  return [x, x === 0 ? 0 : Math.ceil(groups / x), replicas];
}

/** Elements that an invocation of a grid-stride loop handles, if there are enough of them. */
const ELEMENTS_PER_INVOCATION = 4;

/**
 * Workgroups for kernels with a grid-stride loop: each invocation handles every n-th element, n being the number of invocations.
 * Fewer invocations start, which halves the time of memory-bound kernels on lavapipe.
 */
export const gridStrideWorkgroups = (n: number, replicas = 1): Workgroups => [
  Math.min(Math.ceil(n / (ELEMENTS_PER_INVOCATION * WORKGROUP_SIZE)), 65535),
  1,
  replicas,
];

/** The same for kernels that handle a vec4 in each iteration; `n` counts elements. */
export const gridStrideVec4Workgroups = (n: number): Workgroups => gridStrideWorkgroups(Math.ceil(n / 4));

/** Consecutive indices, from `first` on. */
export interface IndexRange {
  first: number;
  count: number;
}

/**
 * Splits 0 .. n - 1 into ranges of at most `maxCount` indices, in ascending order. Used for grids with more workgroups than a dimension
 * of a dispatch allows, and for scratch arrays too large for all replicas. Kernels get the first index as a parameter.
 */
export const chunkRanges = (n: number, maxCount: number): IndexRange[] =>
  Array.from({ length: Math.ceil(n / maxCount) }, (_, i) => ({
    first: i * maxCount,
    count: Math.min(maxCount, n - i * maxCount),
  }));

/** Number of blocks of `values` 4-byte elements that fit into the largest array the adapter can bind. */
export const arrayCapacity = (device: Pick<Device, 'largestArray'>, values: number): number =>
  Math.floor(device.largestArray / (4 * values));

/** Neighboring channels that an invocation of a vectorized kernel loads, computes and stores as one vector. */
export type VectorWidth = 1 | 2 | 4;
export const vectorWidthFor = (channels: number): VectorWidth => (channels % 4 === 0 ? 4 : channels % 2 === 0 ? 2 : 1);

/** Source of a kernel written for the types `Value` and `Index`: numbers, or vectors of `vectorWidth`. Its channels count vectors. */
export function vectorized(name: string, code: string, vectorWidth: VectorWidth): KernelSource {
  if (vectorWidth === 1)
    return { name, code: `alias Value = f32;\nalias Index = u32;\nalias Signed = i32;\nalias Truth = bool;\n${code}` };
  const types = `alias Value = vec${vectorWidth}f;\nalias Index = vec${vectorWidth}u;\nalias Signed = vec${vectorWidth}i;\nalias Truth = vec${vectorWidth}<bool>;\n`;
  return { name: `${name}_vec${vectorWidth}`, code: types + code };
}

const word = new DataView(new ArrayBuffer(4));
/** The 32 bits of a float, to be passed among a kernel's integer parameters. */
export function f32Bits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

/**
 * Dispatches a kernel: `params` (32-bit words) at binding 0, then `bindings` in order.
 * @param cost for profiles, and to limit the work of a submit. `flops`: floating-point operations. `bytes`: bytes read and written;
 *   by default each bound array once
 */
export function runKernel(
  device: Device,
  source: KernelSource,
  params: readonly number[],
  bindings: readonly (DeviceArray | GPUBuffer | GPUBufferBinding)[],
  workgroups: Workgroups,
  cost?: { flops?: number; bytes?: number },
): void {
  const resources = bindings.map((b) => (b instanceof DeviceArray ? b.storage : b));
  const described = device.recording ? { ...cost, shapes: shapesOf(bindings), origin: device.origin } : cost;
  device.dispatch(
    device.pipeline(source),
    [device.uniform(Uint32Array.from(params)), ...resources],
    workgroups,
    described,
  );
}

const shapesOf = (bindings: readonly unknown[]) =>
  bindings.filter((b) => b instanceof DeviceArray).map(({ shape }) => shape);

/** The array that a kernel writes: `into` if given, else a new one. @throws ShapeError if `into` has another shape, type or number of replicas */
export function output(
  device: Device,
  shape: Shape,
  replicas: number,
  into?: DeviceArray,
  dtype: DType = 'f32',
): DeviceArray {
  if (!into) return DeviceArray.empty(device, shape, { dtype, replicas });
  if (!sameShape(into.shape, shape) || into.replicas !== replicas || into.dtype !== dtype) {
    throw new ShapeError(
      `output: the result is ${dtype} ${showShape(shape)} x ${replicas}, but \`into\` is ` +
        `${into.dtype} ${showShape(into.shape)} x ${into.replicas}; pass an array that matches`,
    );
  }
  return into;
}

/** The number of replicas, which all arguments share. @throws ShapeError if the numbers differ, ArgumentError if the devices do */
export function commonReplicas(operator: string, arrays: readonly (DeviceArray | null | undefined)[]): number {
  const present = arrays.filter((a) => a != null);
  const { replicas, device } = present[0]!;
  if (present.some((a) => a.device !== device)) {
    const all = present.map((a) => showShape(a.shape)).join(', ');
    throw new ArgumentError(`${operator}: the arguments are on different devices (${all})`);
  }
  const other = present.find((a) => a.replicas !== replicas);
  if (other) {
    const all = present.map((a) => `${showShape(a.shape)} x ${a.replicas} replicas`).join(', ');
    throw new ShapeError(`${operator}: the arguments have different numbers of replicas (${all})`);
  }
  return replicas;
}

/** @throws ShapeError unless `array` has the rank. @param layout names of its axes, for the message */
export function checkRank(operator: string, argument: string, array: DeviceArray, rank: number, layout: string): void {
  if (array.shape.length !== rank) {
    throw new ShapeError(
      `${operator}: ${argument} must have rank ${rank} (${layout}), but has shape ${showShape(array.shape)}`,
    );
  }
}

/** @throws ArgumentError unless `array` has the element type. */
export function checkDType(operator: string, argument: string, array: DeviceArray, dtype: DType): void {
  if (array.dtype !== dtype) {
    throw new ArgumentError(
      `${operator}: ${argument} must be ${dtype}, but is ${array.dtype} (shape ${showShape(array.shape)}); use cast(x, '${dtype}')`,
    );
  }
}

/** @throws ShapeError unless both have the same shape. */
export function checkSameShape(operator: string, a: DeviceArray, b: DeviceArray): void {
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(`${operator}: shapes differ (${showShape(a.shape)} and ${showShape(b.shape)})`);
  }
}
