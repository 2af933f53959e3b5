import { Tensor } from '../../autograd/tensor.ts';
import { OutOfMemoryError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray, type DType, type Shape, sizeOf } from '../../kernels/array.ts';
import { gatherSamples, type StoredSamples } from '../../kernels/gather/gather.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import type { BatchSource } from '../batches/batch-source.ts';
import { allocateRows, copyToRows, disposeRows } from '../batches/stored-rows.ts';

/** Features [B, ...] of a batch, of each replica or of one for all, and its targets. */
export interface FeatureBatch {
  features: DeviceArray;
  targets: DeviceArray;
}

/**
 * Features and targets of a data set. Features are on the adapter, or on the host, which uploads those of a batch before each step. The
 * source is empty at first, so that steps can be recorded, and filled before they run.
 */
export class FeatureSource implements BatchSource {
  /** Features on the adapter; null before `allocate`, and if they are on the host. */
  private stored: StoredSamples | null = null;
  /** Features on the host; null before `allocate`, and if they are on the adapter. */
  private host: Float32Array | null = null;
  private targets: { rows: StoredSamples; dtype: DType; shape: Shape } | null = null;
  private copies = 1;
  /** Inputs of recorded batches that the host uploads, by their number of samples. */
  private readonly uploads = new Map<number, { x: DeviceArray; values: Float32Array<ArrayBuffer> }>();

  constructor(
    readonly device: Device,
    /** Number of samples. */
    readonly size: number,
    /** Shape of the features of a sample. */
    readonly sampleShape: Shape,
    readonly classes: number | null,
    readonly targetShape: Shape | null,
  ) {}

  /** Bytes of the features of `copies` replicas. */
  byteLength(copies: number): number {
    return 4 * copies * this.size * sizeOf(this.sampleShape);
  }

  /** See `BatchSource`. */
  get replicaStride(): number {
    return this.copies > 1 ? this.size : 0;
  }

  /**
   * Allocates memory for the features.
   * @param copies number of replicas; 1 if all share the features
   * @throws OutOfMemoryError
   */
  allocate(copies: number, where: 'adapter' | 'host'): void {
    this.dispose();
    this.copies = copies;
    const columns = sizeOf(this.sampleShape);
    if (where === 'adapter') this.stored = allocateRows(this.device, copies * this.size, columns);
    else this.host = hostFloats(copies * this.size * columns);
  }

  /** Stores the features and targets of a batch that begins with sample `first`. Waits for the GPU if features are on the host. */
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
      const replicaFeatures = features.storage.view(4 * r * count * columns, 4 * count * columns);
      copyToRows(stored, r * size + first, replicaFeatures, count);
    }
    if (!host) return;
    const values = new Float32Array(await device.read(features.storage));
    for (let r = 0; r < copies; r++) {
      const replicaValues = values.subarray(r * count * columns, (r + 1) * count * columns);
      host.set(replicaValues, (r * size + first) * columns);
    }
  }

  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; targets: Tensor } {
    const { device, sampleShape, stored } = this;
    const { replicas } = order;
    const { rows, dtype, shape } = this.targets!;
    const x = DeviceArray.empty(device, [batch, ...sampleShape], { replicas });
    if (stored) gatherSamples(stored, order, state, x);
    else this.uploads.set(batch, { x: x.keep(), values: new Float32Array(replicas * x.size) });
    const targets = DeviceArray.empty(device, [batch, ...shape], { replicas, dtype });
    gatherSamples(rows, order, state, targets);
    return { x: new Tensor(x), targets: new Tensor(targets) };
  }

  /** See `BatchSource`: uploads features that are on the host. */
  send(rows: () => Uint32Array, batch: number): void {
    const { host, device } = this;
    if (!host) return;
    const { x, values } = this.uploads.get(batch)!;
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
    this.uploads.clear();
  }
}

/** @throws OutOfMemoryError */
function hostFloats(count: number): Float32Array {
  try {
    return new Float32Array(count);
  } catch (cause) {
    throw new OutOfMemoryError(
      `fit: cacheFeatures needs ${4 * count} bytes, which fit neither on the adapter (adapterBytes) nor on the host; ` +
        'use fewer samples, or leave cacheFeatures out',
      { cause },
    );
  }
}
