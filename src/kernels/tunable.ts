import type { Device } from '../gpu/device.ts';
import type { ProblemSizes } from '../gpu/kernel-selection.ts';
import type { DeviceArray, Shape } from './array.ts';

/** An operator with several kernels, as the tuner uses it. `sizes` are the sizes passed to `chooseVariant`. */
export interface Tunable {
  /** The reference first. */
  variants: readonly string[];
  /** Sources of all shaders of all variants. If one changes, the measurements are no longer used. */
  shaders: readonly string[];
  supports(variant: string, device: Device, sizes: ProblemSizes): boolean;
  /** Shapes of the input arrays. */
  inputs(sizes: ProblemSizes): readonly Shape[];
  /** If the last input holds labels: the number of classes. */
  labels?(sizes: ProblemSizes): number;
  output(sizes: ProblemSizes): Shape;
  /** Terms in the sum of each output element. */
  sumLength(sizes: ProblemSizes): number;
  /** Floating-point operations; a multiply-add counts as two. */
  flops(sizes: ProblemSizes): number;
  run(variant: string, sizes: ProblemSizes, inputs: readonly DeviceArray[], into: DeviceArray): void;
}
