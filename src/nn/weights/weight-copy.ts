import { checkSurplus, formatValue } from '../../base/check.ts';
import { ArgumentError, DisposedError } from '../../base/errors.ts';
import type { Storage } from '../../gpu/storage.ts';
import { DeviceArray } from '../../kernels/array.ts';
import { ParameterStore } from './parameters.ts';

/** The weights of some replicas of a model, which are next to each other. */
export class ReplicaRange {
  /** @throws ArgumentError unless there are such replicas */
  constructor(
    readonly store: ParameterStore,
    /** The first of them, from 0. */
    readonly first: number,
    readonly count: number,
  ) {
    const isRange = Number.isSafeInteger(first) && first >= 0 && Number.isSafeInteger(count) && count > 0;
    if (isRange && first + count <= store.replicas) return;
    throw new ArgumentError(
      `ReplicaRange: the model has ${store.replicas} replicas, but ${formatValue(count)} from number ${formatValue(first)} on were asked for`,
    );
  }

  /** Where the values of each weight are. */
  get storages(): Storage[] {
    return this.store.weights.map(({ tensor: { array } }) =>
      array.storage.view(4 * this.first * array.size, 4 * this.count * array.size),
    );
  }
}

/**
 * A copy of all weights of a model, or of those of some replicas, that stays on the GPU: nothing is read back, and after the first time
 * nothing is made. It goes with the model, if not before.
 */
export class WeightCopy {
  private readonly store: ParameterStore;
  private readonly pairs: readonly { weights: Storage; held: DeviceArray }[];

  /** @throws ArgumentError unless it is given what `model.parameters` is */
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
      held: DeviceArray.empty(device, [weights.bytes / 4]).keep(),
    }));
    this.store.copies.add(this);
  }

  /** Keeps the weights as the steps submitted so far leave them. @throws DisposedError */
  save(): void {
    this.copy(({ weights, held }) => [weights, held.storage]);
  }

  /** Gives the model back what was kept. @throws DisposedError */
  restore(): void {
    this.copy(({ weights, held }) => [held.storage, weights]);
    this.store.hasInitialValues = false;
  }

  private copy(way: (pair: { weights: Storage; held: DeviceArray }) => [from: Storage, to: Storage]): void {
    const { copies, device } = this.store;
    if (!copies.has(this)) throw new DisposedError('WeightCopy: used after dispose(), of it or of its model');
    for (const pair of this.pairs) device.copy(...way(pair));
    device.flush();
  }

  /** What was kept, on the host. */
  read(): Promise<Float32Array<ArrayBuffer>[]> {
    return Promise.all(
      this.pairs.map(async ({ held: { device, storage } }) => new Float32Array(await device.read(storage))),
    );
  }

  /** Keeps what `read` returned. */
  write(buffers: readonly Float32Array<ArrayBuffer>[]): void {
    for (const [i, { held }] of this.pairs.entries()) held.device.upload(held.storage, buffers[i]!);
  }

  /** Releases the copy. */
  dispose(): void {
    if (!this.store.copies.delete(this)) return;
    for (const { held } of this.pairs) held.dispose();
  }
}
