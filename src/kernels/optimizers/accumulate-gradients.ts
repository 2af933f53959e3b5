import accumulateCode from '../../../shaders/optimizers/accumulate_gradients.wgsl';
import stateCode from '../../../shaders/optimizers/step_state.wgsl';
import type { DeviceArray } from '../array.ts';
import { f32Bits, gridStrideWorkgroups, runKernel } from '../run.ts';
import type { StepState } from './step-state.ts';

/**
 * Adds `gradient` to `sum`, in place, and replaces it by the mean over `steps` steps; `state` says whether the sum begins. Both are f32 [n],
 * ranges of flat buffers. Memory-bound.
 */
export function accumulateGradients(gradient: DeviceArray, sum: DeviceArray, state: StepState, steps: number): void {
  const n = gradient.size;
  runKernel(
    gradient.device,
    { name: 'accumulate_gradients', code: stateCode + accumulateCode },
    [n, f32Bits(steps)],
    [state.buffer, gradient, sum],
    gridStrideWorkgroups(Math.ceil(n / 4)),
    { flops: 2 * n, bytes: 16 * n },
  );
}
