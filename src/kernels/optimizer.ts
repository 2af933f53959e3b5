import adamCode from '../../shaders/adam.wgsl';
import rmspropCode from '../../shaders/rmsprop.wgsl';
import rmspropMomentumCode from '../../shaders/rmsprop_momentum.wgsl';
import sgdCode from '../../shaders/sgd.wgsl';
import sgdMomentumCode from '../../shaders/sgd_momentum.wgsl';
import stateCode from '../../shaders/step_state.wgsl';
import type { DeviceArray } from './array.ts';
import { elementwise, f32, runKernel } from './run.ts';
import type { StepState } from './step-state.ts';

function step(
  name: string,
  code: string,
  params: readonly number[],
  [weight, gradient, ...slots]: [DeviceArray, DeviceArray, ...DeviceArray[]],
  state: StepState,
): void {
  const n = weight.models * weight.size;
  const source = { name, code: stateCode + code };
  runKernel(weight.device, source, [n, ...params], [state.buffer, gradient, weight, ...slots], elementwise(n));
}

/**
 * One Adam step on flat arrays of one layout, weights and moments updated in place; the step size comes from `state`. With
 * `decay` it is AdamW, for which `state` carries the plain rate too. Memory-bound.
 */
export function adam(
  weight: DeviceArray,
  gradient: DeviceArray,
  moments: { m: DeviceArray; v: DeviceArray },
  state: StepState,
  options: { beta1: number; beta2: number; epsilon: number; decay?: number },
): void {
  const { beta1, beta2, epsilon, decay = 0 } = options;
  const params = [f32(1 - beta1), f32(1 - beta2), f32(epsilon), f32(decay)];
  step('adam', adamCode, params, [weight, gradient, moments.m, moments.v], state);
}

/** One step of gradient descent on flat arrays of one layout, in place; with momentum where there is a velocity. Memory-bound. */
export function sgd(
  weight: DeviceArray,
  gradient: DeviceArray,
  velocity: DeviceArray | undefined,
  state: StepState,
  options: { momentum: number; nesterov: boolean },
): void {
  if (!velocity) {
    step('sgd', sgdCode, [], [weight, gradient], state);
    return;
  }
  const params = [f32(options.momentum), options.nesterov ? 1 : 0];
  step('sgd_momentum', sgdMomentumCode, params, [weight, gradient, velocity], state);
}

/** What RMSprop remembers: the mean square, and for momentum or a centered form both others. */
export interface RmspropSlots {
  square: DeviceArray;
  average?: DeviceArray | undefined;
  velocity?: DeviceArray | undefined;
}

/** One RMSprop step on flat arrays of one layout, in place. Memory-bound. */
export function rmsprop(
  weight: DeviceArray,
  gradient: DeviceArray,
  { square, average, velocity }: RmspropSlots,
  state: StepState,
  options: { rho: number; epsilon: number; momentum: number; centered: boolean },
): void {
  const params = [f32(1 - options.rho), f32(options.epsilon)];
  if (!average || !velocity) {
    step('rmsprop', rmspropCode, params, [weight, gradient, square], state);
    return;
  }
  params.push(f32(options.momentum), options.centered ? 1 : 0);
  step('rmsprop_momentum', rmspropMomentumCode, params, [weight, gradient, square, average, velocity], state);
}
