import { checkSurplus, formatValue } from '../../base/check.ts';
import { ArgumentError, DisposedError } from '../../base/errors.ts';
import type { Storage } from '../../gpu/storage.ts';
import { DeviceArray } from '../../kernels/array.ts';
import { ParameterStore } from './parameters.ts';

/** The weights of consecutive replicas of a model. */
export class ReplicaRange {
  /** @throws ArgumentError unless the model has these replicas */
  constructor(
    readonly store: ParameterStore,
    /** Index of the first replica, from 0. */
    readonly first: number,
    readonly count: number,
  ) {
    const isRange = Number.isSafeInteger(first) && first >= 0 && Number.isSafeInteger(count) && count > 0;
    if (isRange && first + count <= store.replicas) return;
    throw new ArgumentError(
      `ReplicaRange: the model has ${store.replicas} replicas, but first is ${formatValue(first)} and count ${formatValue(count)}; give a range within them`,
    );
  }

  /** Storage of each weight's values. */
  get storages(): Storage[] {
    return this.store.weights.map(({ tensor: { array } }) =>
      array.storage.view(4 * this.first * array.size, 4 * this.count * array.size),
    );
  }
}

/**
 * A copy of a model's weights (of all or some replicas) that stays on the GPU. Saving and restoring read nothing back and allocate
 * nothing. The copy is disposed with the model at the latest.
 */
export class WeightCopy {
  private readonly store: ParameterStore;
  private readonly pairs: readonly { weights: Storage; saved: DeviceArray }[];

  /** @throws ArgumentError unless `from` is `model.parameters` */
  constructor(from: ParameterStore | ReplicaRange, ...surplus: never[]) {
    checkSurplus('WeightCopy', surplus);
    if (!(from instanceof ParameterStore || from instanceof ReplicaRange)) {
      throw new ArgumentError(
        `WeightCopy: takes model.parameters, the weights of a built model, not ${formatValue(from)}`,
      );
    }
    this.store = from instanceof ReplicaRange ? from.store : from;
    const storages = from instanceof ReplicaRange ? from.storages : from.buffers.map(({ storage }) => storage);
    const { device } = this.store;
    this.pairs = storages.map((weights) => ({
      weights,
      saved: DeviceArray.empty(device, [weights.bytes / 4]).keep(),
    }));
    this.store.copies.add(this);
  }

  /** Saves the weights as of the steps submitted so far. @throws DisposedError */
  save(): void {
    this.copy(({ weights, saved }) => [weights, saved.storage]);
  }

  /** Copies the saved values back to the model. @throws DisposedError */
  restore(): void {
    this.copy(({ weights, saved }) => [saved.storage, weights]);
    this.store.hasInitialValues = false;
  }

  private copy(endpoints: (pair: { weights: Storage; saved: DeviceArray }) => [from: Storage, to: Storage]): void {
    const { copies, device } = this.store;
    if (!copies.has(this)) throw new DisposedError('WeightCopy: used after dispose() of the copy or of its model');
    for (const pair of this.pairs) device.copy(...endpoints(pair));
    device.flush();
  }

  /** Reads the saved values to the host. */
  read(): Promise<Float32Array<ArrayBuffer>[]> {
    return Promise.all(
      this.pairs.map(async ({ saved: { device, storage } }) => new Float32Array(await device.read(storage))),
    );
  }

  /** Saves values that `read` returned. */
  write(buffers: readonly Float32Array<ArrayBuffer>[]): void {
    for (const [i, { saved }] of this.pairs.entries()) saved.device.upload(saved.storage, buffers[i]!);
  }

  /** Releases the copy. */
  dispose(): void {
    if (!this.store.copies.delete(this)) return;
    for (const { saved } of this.pairs) saved.dispose();
  }
}
