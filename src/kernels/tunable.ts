import type { Device } from '../gpu/device.ts';
import type { ProblemSizes } from '../gpu/kernel-selection.ts';
import type { DeviceArray, Shape } from './array.ts';

/** An operator that has several kernels, as the tuner sees it. Sizes are those that `chooseVariant` was asked with. */
export interface Tunable {
  /** The reference first. */
  variants: readonly string[];
  /** Texts of all shaders of all variants: when one changes, what was measured counts no more. */
  shaders: readonly string[];
  supports(variant: string, device: Device, sizes: ProblemSizes): boolean;
  /** Shapes of the arrays it takes. */
  inputs(sizes: ProblemSizes): readonly Shape[];
  /** Where the last of them are labels: below which number. */
  labels?(sizes: ProblemSizes): number;
  output(sizes: ProblemSizes): Shape;
  /** Terms summed up in one element of the output. */
  sumLength(sizes: ProblemSizes): number;
  /** Floating-point operations, a multiply-add counting as two. */
  flops(sizes: ProblemSizes): number;
  run(variant: string, sizes: ProblemSizes, inputs: readonly DeviceArray[], into: DeviceArray): void;
}
