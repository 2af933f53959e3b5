import { ArgumentError, ShapeError } from '../base/errors.ts';
import type { Device, Workgroups } from '../gpu/device.ts';
import type { KernelSource } from '../gpu/pipelines.ts';
import { DeviceArray, type DType, type Shape, sameShape, showShape } from './array.ts';

/** Invocations in a workgroup of the kernels that handle one element each. */
const WORKGROUP = 64;

/** Workgroups for `n` independent elements a replica, folded into two dimensions because one holds only 65,535. */
export function elementwiseWorkgroups(n: number, replicas = 1): Workgroups {
  const groups = Math.ceil(n / WORKGROUP);
  const x = Math.min(groups, 32768);
  return [x, x === 0 ? 0 : Math.ceil(groups / x), replicas];
}

/** Elements an invocation handles, in a loop, where there are enough of them. */
const ELEMENTS = 4;

/**
 * The same for kernels that go on in strides of all invocations until the array ends. What an invocation costs besides its
 * element is paid less often: on lavapipe that halves the time of what is memory-bound.
 */
export const gridStrideWorkgroups = (n: number, replicas = 1): Workgroups => [
  Math.min(Math.ceil(n / (ELEMENTS * WORKGROUP)), 65535),
  1,
  replicas,
];

/** The same for kernels that handle a vec4 in each iteration. */
export const gridStrideVec4Workgroups = (n: number): Workgroups => gridStrideWorkgroups(Math.ceil(n / 4));

/** Where a part of something begins and how long it is. */
export interface IndexRange {
  first: number;
  count: number;
}

/**
 * `n` in parts of at most `most`, in their order. For grids of more workgroups than a dimension of a dispatch holds, and for scratch
 * that an array does not hold for all replicas, in kernels that are told where their part begins.
 */
export const chunkRanges = (n: number, most: number): IndexRange[] =>
  Array.from({ length: Math.ceil(n / most) }, (_, i) => ({ first: i * most, count: Math.min(most, n - i * most) }));

/** How many times an array holds `values`, where these are one replica's: slices of its sums, or replicas. */
export const arrayCapacity = (device: Pick<Device, 'largestArray'>, values: number): number =>
  Math.floor(device.largestArray / (4 * values));

/** Neighbouring channels that one invocation of a laned kernel handles, as a vector: loads and stores are by vectors then. */
export type VectorWidth = 1 | 2 | 4;
export const vectorWidthFor = (channels: number): VectorWidth => (channels % 4 === 0 ? 4 : channels % 2 === 0 ? 2 : 1);

/** A kernel written for `Value`s (and `Index`es): numbers, or vectors of `vectorWidth` of them. Its channels then count vectors. */
export function vectorized(name: string, code: string, vectorWidth: VectorWidth): KernelSource {
  if (vectorWidth === 1)
    return { name, code: `alias Value = f32;\nalias Index = u32;\nalias Signed = i32;\nalias Truth = bool;\n${code}` };
  const types = `alias Value = vec${vectorWidth}f;\nalias Index = vec${vectorWidth}u;\nalias Signed = vec${vectorWidth}i;\nalias Truth = vec${vectorWidth}<bool>;\n`;
  return { name: `${name}_vec${vectorWidth}`, code: types + code };
}

const word = new DataView(new ArrayBuffer(4));
/** The 32 bits of a float, to stand among a kernel's integer parameters. */
export function f32Bits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

/**
 * Dispatches a kernel: `params` (32-bit words) at binding 0, then `bindings` in order. `cost` is for profiles and for how much goes
 * into a submit: the floating-point operations where counting them means something, and the bytes read and written where they
 * are not each bound array once.
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

/** Where a kernel writes: `into` if the caller gave a place (it must fit), else a new array. */
export function output(
  device: Device,
  shape: Shape,
  replicas: number,
  into?: DeviceArray,
  dtype: DType = 'f32',
): DeviceArray {
  if (!into) return DeviceArray.empty(device, shape, { dtype, replicas });
  if (!sameShape(into.shape, shape) || into.replicas !== replicas || into.dtype !== dtype) {
    throw new ShapeError(`output: a result of shape ${showShape(shape)} does not go into ${showShape(into.shape)}`);
  }
  return into;
}

/** The number of replicas all arguments agree on. @throws ShapeError when they do not, ArgumentError for several devices. */
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
    throw new ShapeError(`${operator}: the arguments hold different numbers of replicas (${all})`);
  }
  return replicas;
}

/** @throws ShapeError unless `array` has one of the ranks in `ranks`. */
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
