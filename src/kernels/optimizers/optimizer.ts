import adamCode from '../../../shaders/optimizers/adam.wgsl';
import addPenaltiesCode from '../../../shaders/optimizers/add_penalties.wgsl';
import flushTinyCode from '../../../shaders/optimizers/flush_tiny.wgsl';
import perReplicaCode from '../../../shaders/optimizers/rates_per_replica.wgsl';
import sharedCode from '../../../shaders/optimizers/rates_shared.wgsl';
import rmspropCode from '../../../shaders/optimizers/rmsprop.wgsl';
import rmspropMomentumCode from '../../../shaders/optimizers/rmsprop_momentum.wgsl';
import sgdCode from '../../../shaders/optimizers/sgd.wgsl';
import sgdMomentumCode from '../../../shaders/optimizers/sgd_momentum.wgsl';
import stateCode from '../../../shaders/optimizers/step_state.wgsl';
import type { DeviceArray } from '../array.ts';
import { floatBits } from '../float-bits.ts';
import { f32Bits, gridStrideWorkgroups, runKernel } from '../run.ts';
import { type StepState, stateOf } from './step-state.ts';

/** Coefficients (l1, l2) of each block of the flat buffers: f32 [replicas, blocks, 2], or [1, blocks, 2] for all replicas. */
export interface PenaltyTable {
  coefficients: DeviceArray;
  /** The first block of the range. */
  first: number;
}

/** Weights to update and their gradients, in the same layout. */
export interface Update {
  weight: DeviceArray;
  gradient: DeviceArray;
  /** Penalties whose gradient is added; none by default. */
  penalties?: PenaltyTable | null;
  /** u32, the replica of each element; only if the replicas have different rates or penalties. */
  replicaOfElement?: DeviceArray | null;
}

/**
 * Dispatches a kernel over a range of the flat buffers, with the rates and penalties of its elements.
 * @param arrays bound after the gradient
 * @param bytes bytes read and written per element
 */
export function updateKernel(
  name: string,
  code: string,
  { weight, gradient, penalties, replicaOfElement }: Update,
  arrays: readonly DeviceArray[],
  state: StepState | null,
  params: readonly number[],
  bytes: number,
): void {
  const n = weight.size;
  const { device } = weight;
  const table = penalties?.coefficients;
  // Blocks from the coefficients of one replica to those of the next; 0 if all replicas share one row.
  const replicaStride = table && table.shape[0]! > 1 ? table.shape[1]! : 0;
  const rates = replicaOfElement
    ? `const REPLICA_OF_ELEMENT = ${3 + 1 + arrays.length}u;\n${perReplicaCode}`
    : stateCode + sharedCode;
  runKernel(
    device,
    {
      name: replicaOfElement ? `${name}_per_replica` : name,
      code: rates + addPenaltiesCode + flushTinyCode + code + floatBits('vec4f'),
    },
    [n, penalties ? 1 : 0, penalties?.first ?? 0, replicaStride, ...params],
    [
      state?.buffer ?? (replicaOfElement ? weight : stateOf(device, 0)),
      table ?? gradient,
      gradient,
      ...arrays,
      ...(replicaOfElement ? [replicaOfElement] : []),
    ],
    gridStrideWorkgroups(Math.ceil(n / 4)),
    { bytes: (bytes + (replicaOfElement ? 4 : 0)) * n },
  );
}

function step(
  name: string,
  code: string,
  update: Update,
  slots: readonly DeviceArray[],
  state: StepState,
  params: readonly number[],
): void {
  // The gradient is read; the weights and slots are read and written.
  updateKernel(name, code, update, [update.weight, ...slots], state, params, 4 * (3 + 2 * slots.length));
}

/**
 * One Adam step on flat arrays of the same layout; updates weights and moments in place. `state` holds the step size. With `decay` it is
 * AdamW, for which `state` also holds the learning rate. Memory-bound.
 */
export function adam(
  update: Update,
  moments: { m: DeviceArray; v: DeviceArray },
  state: StepState,
  options: { beta1: number; beta2: number; epsilon: number; decay?: number },
): void {
  const { beta1, beta2, epsilon, decay = 0 } = options;
  const params = [f32Bits(1 - beta1), f32Bits(1 - beta2), f32Bits(epsilon), f32Bits(decay)];
  step('adam', adamCode, update, [moments.m, moments.v], state, params);
}

/** One step of gradient descent on flat arrays of the same layout, in place; with momentum if there is a velocity. Memory-bound. */
export function sgd(
  update: Update,
  velocity: DeviceArray | undefined,
  state: StepState,
  options: { momentum: number; nesterov: boolean },
): void {
  if (!velocity) {
    step('sgd', sgdCode, update, [], state, []);
    return;
  }
  const params = [f32Bits(options.momentum), options.nesterov ? 1 : 0];
  step('sgd_momentum', sgdMomentumCode, update, [velocity], state, params);
}

/** The slots of RMSprop: the mean square; both others for momentum or the centered form. */
export interface RmspropSlots {
  square: DeviceArray;
  average?: DeviceArray | undefined;
  velocity?: DeviceArray | undefined;
}

/** One RMSprop step on flat arrays of the same layout, in place. Memory-bound. */
export function rmsprop(
  update: Update,
  { square, average, velocity }: RmspropSlots,
  state: StepState,
  options: { rho: number; epsilon: number; momentum: number; centered: boolean },
): void {
  const params = [f32Bits(1 - options.rho), f32Bits(options.epsilon)];
  if (!average || !velocity) {
    step('rmsprop', rmspropCode, update, [square], state, params);
    return;
  }
  params.push(f32Bits(options.momentum), options.centered ? 1 : 0);
  step('rmsprop_momentum', rmspropMomentumCode, update, [square, average, velocity], state, params);
}
