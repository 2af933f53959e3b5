import adamCode from '../../shaders/adam.wgsl';
import stateCode from '../../shaders/step_state.wgsl';
import type { DeviceArray } from './array.ts';
import { elementwise, f32, runKernel } from './run.ts';
import type { StepState } from './step-state.ts';

/**
 * One Adam step on flat arrays of one layout, weights and moments updated in place; the step size comes from `state`.
 * Memory-bound.
 */
export function adam(
  weight: DeviceArray,
  gradient: DeviceArray,
  moments: { m: DeviceArray; v: DeviceArray },
  state: StepState,
  options: { beta1: number; beta2: number; epsilon: number },
): void {
  const n = weight.models * weight.size;
  runKernel(
    weight.device,
    { name: 'adam', code: stateCode + adamCode },
    [n, f32(1 - options.beta1), f32(1 - options.beta2), f32(options.epsilon)],
    [state.buffer, gradient, weight, moments.m, moments.v],
    elementwise(n),
  );
}
