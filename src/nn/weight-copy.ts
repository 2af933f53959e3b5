import { checkSurplus, show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import type { Program } from '../gpu/recorder.ts';
import { DeviceArray } from '../kernels/array.ts';
import { moveWindow } from '../kernels/view.ts';
import { ParameterStore } from './parameters.ts';

/**
 * A copy of all weights of a model that stays on the GPU: nothing is read back, and after the first time nothing is made. It goes
 * with the model, if not before.
 */
export class WeightCopy {
  private readonly held: readonly DeviceArray[];
  private readonly saving: Program;
  private readonly restoring: Program;

  /** @throws ArgumentError unless it is given what `model.parameters` is */
  constructor(
    private readonly store: ParameterStore,
    ...surplus: never[]
  ) {
    checkSurplus('WeightCopy', surplus);
    if (!(store instanceof ParameterStore)) {
      throw new ArgumentError(`WeightCopy: takes model.parameters, the weights of a built model, not ${show(store)}`);
    }
    const { device, buffers } = store;
    this.held = buffers.map(({ shape }) => DeviceArray.empty(device, shape).keep());
    const copy = (from: readonly DeviceArray[], to: readonly DeviceArray[]) =>
      device.record(() => {
        for (const [i, array] of from.entries()) moveWindow('copy', array, [0], array.shape, { into: to[i]! });
      });
    this.saving = copy(buffers, this.held);
    this.restoring = copy(this.held, buffers);
    store.copies.add(this);
  }

  /** Keeps the weights as the steps submitted so far leave them. */
  save(): void {
    this.saving.run();
  }

  /** Gives the model back what was kept. */
  restore(): void {
    this.store.fresh = false;
    this.restoring.run();
  }

  /** What was kept, on the host. */
  read(): Promise<Float32Array<ArrayBuffer>[]> {
    return Promise.all(this.held.map(async ({ device, storage }) => new Float32Array(await device.read(storage))));
  }

  /** Keeps what `read` returned. */
  write(buffers: readonly Float32Array<ArrayBuffer>[]): void {
    for (const [i, { device, storage }] of this.held.entries()) device.upload(storage, buffers[i]!);
  }

  dispose(): void {
    if (!this.store.copies.delete(this)) return;
    this.saving.dispose();
    this.restoring.dispose();
    for (const array of this.held) array.dispose();
  }
}
