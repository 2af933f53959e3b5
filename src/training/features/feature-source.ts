import { Tensor } from '../../autograd/tensor.ts';
import { OutOfMemoryError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray, type DType, type Shape, sizeOf } from '../../kernels/array.ts';
import { gatherSamples, type StoredSamples } from '../../kernels/gather/gather.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import type { BatchSource } from '../batches/batch-source.ts';
import { allocateRows, copyToRows, disposeRows } from '../batches/stored-rows.ts';

/** A batch as the frozen layers gave it: features [B, ...] of each replica, or of one for all, and the targets beside them. */
export interface FeatureBatch {
  features: DeviceArray;
  targets: DeviceArray;
}

/**
 * What the frozen beginning of a model gives for each sample of a data set, with the targets: on the adapter, or features on the host,
 * from where those of a batch are sent before each step. It is made empty, so that steps may be recorded, and filled before they run.
 */
export class FeatureSource implements BatchSource {
  /** Null until `begin`. */
  private stored: StoredSamples | null = null;
  private host: Float32Array | null = null;
  private targets: { rows: StoredSamples; dtype: DType; shape: Shape } | null = null;
  private copies = 1;
  /** Where recorded batches on the host are sent, by their number of samples. */
  private readonly sent = new Map<number, { x: DeviceArray; values: Float32Array<ArrayBuffer> }>();

  constructor(
    readonly device: Device,
    /** Number of samples. */
    readonly size: number,
    /** Shape of the features of a sample. */
    readonly sampleShape: Shape,
    readonly classes: number | null,
    readonly targetShape: Shape | null,
  ) {}

  /** Bytes of the features of so many replicas. */
  bytes(copies: number): number {
    return 4 * copies * this.size * sizeOf(this.sampleShape);
  }

  /** Samples from one replica's to the next one's; 0 where all share them. */
  get replicaStride(): number {
    return this.copies > 1 ? this.size : 0;
  }

  /**
   * Makes room, for features of each replica (`copies` of them) or of all (1).
   * @throws OutOfMemoryError
   */
  begin(copies: number, where: 'adapter' | 'host'): void {
    this.dispose();
    this.copies = copies;
    const columns = sizeOf(this.sampleShape);
    if (where === 'adapter') this.stored = allocateRows(this.device, copies * this.size, columns);
    else this.host = hostFloats(copies * this.size * columns);
  }

  /** Stores the features and targets of samples from `first` on. Waits for the GPU where features go to the host. */
  async store({ features, targets }: FeatureBatch, first: number): Promise<void> {
    const { device, copies, size, stored, host } = this;
    const count = targets.shape[0]!;
    const columns = sizeOf(this.sampleShape);
    if (!this.targets) {
      const shape = targets.shape.slice(1);
      const rows = allocateRows(device, copies * size, sizeOf(shape));
      this.targets = { rows, dtype: targets.dtype, shape };
    }
    for (let r = 0; r < copies; r++) {
      copyToRows(this.targets.rows, r * size + first, targets.storage, count);
      if (!stored) continue;
      const part = features.storage.view(4 * r * count * columns, 4 * count * columns);
      copyToRows(stored, r * size + first, part, count);
    }
    if (!host) return;
    const values = new Float32Array(await device.read(features.storage));
    for (let r = 0; r < copies; r++) {
      const part = values.subarray(r * count * columns, (r + 1) * count * columns);
      host.set(part, (r * size + first) * columns);
    }
  }

  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; targets: Tensor } {
    const { device, sampleShape, stored } = this;
    const { replicas: models } = order;
    const { rows, dtype, shape } = this.targets!;
    const x = DeviceArray.empty(device, [batch, ...sampleShape], { replicas: models });
    if (stored) gatherSamples(stored, order, state, x);
    else this.sent.set(batch, { x: x.keep(), values: new Float32Array(models * x.size) });
    const targets = DeviceArray.empty(device, [batch, ...shape], { replicas: models, dtype });
    gatherSamples(rows, order, state, targets);
    return { x: new Tensor(x), targets: new Tensor(targets) };
  }

  /** Where features are on the host: sends those of a batch, before its recorded step runs. */
  send(rows: () => Uint32Array, batch: number): void {
    const { host, device } = this;
    if (!host) return;
    const { x, values } = this.sent.get(batch)!;
    const columns = sizeOf(this.sampleShape);
    for (const [i, row] of rows().entries()) {
      values.set(host.subarray(row * columns, (row + 1) * columns), i * columns);
    }
    device.upload(x.storage, values);
  }

  dispose(): void {
    if (this.stored) disposeRows(this.stored);
    if (this.targets) disposeRows(this.targets.rows);
    this.stored = null;
    this.targets = null;
    this.host = null;
    this.sent.clear();
  }
}

/** @throws OutOfMemoryError */
function hostFloats(count: number): Float32Array {
  try {
    return new Float32Array(count);
  } catch (cause) {
    throw new OutOfMemoryError(
      `fit: cacheFeatures would take ${4 * count} bytes, which neither the adapter's share (adapterBytes) nor the host has; ` +
        'use fewer samples, or leave cacheFeatures out',
      { cause },
    );
  }
}
