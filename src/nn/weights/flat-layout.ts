import { copyArray } from '../../autograd/copy-array.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray, type Shape, sizeOf } from '../../kernels/array.ts';
import { BLOCK } from '../../kernels/optimizers/blocks.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import type { FlatRange } from './flat-range.ts';
import type { Penalties } from './penalties.ts';

const blocksOf = (shape: Shape) => Math.ceil(sizeOf(shape) / BLOCK);

/** A weight whose elements are in the flat buffers. */
export interface FlatWeight {
  /** Index of its first element in the flat buffers; null for weights that are never trained. */
  readonly offset: number | null;
  /** Whether the optimizer updates it: false while its layer is frozen. */
  readonly trainable: boolean;
  readonly spec: { readonly shape: Shape; readonly layer?: { readonly trainable: boolean } | undefined };
  /** The tensor whose gradient backward passes write to `gradBuffer`, a view of the flat gradients. */
  readonly tensor: Tensor;
}

/** A range of the weights that an optimizer updates in one dispatch. */
export interface UpdateRange {
  range: FlatRange;
  /** Its elements, f32 [range.size]. */
  weight: DeviceArray;
}

/**
 * Layout of the flat buffers for weights, gradients and optimizer slots. The replicas of a weight follow each other; each weight starts
 * at a multiple of BLOCK.
 */
export abstract class FlatLayout<W extends FlatWeight = FlatWeight> {
  abstract readonly device: Device;
  abstract readonly replicas: number;
  abstract readonly gradients: DeviceArray;
  abstract readonly weights: readonly W[];
  /** Null if no weight has a penalty. */
  abstract readonly penalties: Penalties | null;
  private elementReplicas: DeviceArray | null = null;

  /**
   * Which weights are frozen, as a string to compare: one character for each weight. It includes layers with only moving statistics,
   * because training changes those too.
   */
  get frozenKey(): string {
    return this.weights.map(({ spec }) => ((spec.layer?.trainable ?? true) ? '1' : '0')).join('');
  }

  /** Ranges of the flat buffers that are trained, with adjacent ranges merged: a single one unless layers are frozen. */
  get trainableRanges(): FlatRange[] {
    const ranges: FlatRange[] = [];
    let block = 0;
    for (const { offset, trainable, spec } of this.weights) {
      if (offset === null) continue;
      const blocks = blocksOf(spec.shape);
      const size = Math.ceil((this.replicas * sizeOf(spec.shape)) / BLOCK) * BLOCK;
      const last = ranges.at(-1);
      if (trainable && last && last.offset + last.size === offset) {
        last.size += size;
        last.blocks += blocks;
      } else if (trainable) {
        ranges.push({ offset, size, firstBlock: block, blocks });
      }
      block += blocks;
    }
    return ranges;
  }

  /**
   * u32 [replicas, blocks, 4], one row for each block of at most 64 elements of a weight: index of its first element, number of
   * elements, and the two words that `words` returns for the weight. The caller disposes it.
   */
  blockTable(words: (spec: W['spec'], replica: number) => readonly [number, number] = () => [0, 0]): DeviceArray {
    const trained = this.weights.filter(({ offset }) => offset !== null);
    const entries: number[] = [];
    for (let r = 0; r < this.replicas; r++) {
      for (const { offset, spec } of trained) {
        const size = sizeOf(spec.shape);
        const [a, b] = words(spec, r);
        for (let first = 0; first < size; first += BLOCK) {
          entries.push(offset! + r * size + first, Math.min(BLOCK, size - first), a, b);
        }
      }
    }
    const options = { dtype: 'u32', replicas: this.replicas } as const;
    const table = DeviceArray.empty(this.device, [entries.length / 4 / this.replicas, 4], options).keep();
    if (entries.length > 0) this.device.upload(table.storage, Uint32Array.from(entries));
    return table;
  }

  /** u32 [size of the flat buffers]: the replica of each element. Call `uploadReplicaOfElement` first. */
  get replicaOfElement(): DeviceArray {
    return this.elementReplicas!;
  }

  /** Uploads `replicaOfElement`, once. Uploads are impossible while a step is recorded. */
  uploadReplicaOfElement(): void {
    if (this.elementReplicas) return;
    const table = new Uint32Array(this.gradients.size);
    for (const { offset, spec } of this.weights) {
      if (offset === null) continue;
      const size = sizeOf(spec.shape);
      for (let r = 0; r < this.replicas; r++) table.fill(r, offset + r * size, offset + (r + 1) * size);
    }
    this.elementReplicas = DeviceArray.empty(this.device, [table.length], { dtype: 'u32' }).keep();
    this.device.upload(this.elementReplicas.storage, table);
  }

  /** The ranges to update, with their weights. */
  abstract get updates(): UpdateRange[];

  /** Whether any trainable weight has a gradient. */
  get hasGradients(): boolean {
    return this.weights.some(({ trainable, tensor }) => trainable && tensor.grad !== null);
  }

  /**
   * Writes the gradients of all trainable weights to the flat buffer. A weight that no backward pass reached since `zeroGrad` gets
   * zeros; a gradient in another buffer (assigned by the user) is copied.
   */
  collectGrads(): void {
    for (const { trainable, offset, spec, tensor } of this.weights) {
      if (!trainable || offset === null) continue;
      const { grad, replicas } = tensor;
      const into = this.gradientView({ offset, spec });
      if (!grad) fill(this.device, spec.shape, 0, { replicas, into });
      else if (grad.array.storage.buffer !== into.storage.buffer) copyArray(grad.array, into);
      into.dispose();
    }
  }

  /** View of a weight's range in the flat gradients. */
  protected gradientView({ offset, spec }: { offset: number | null; spec: { readonly shape: Shape } }): DeviceArray {
    const { device, replicas } = this;
    const storage = this.gradients.storage.view(4 * offset!, 4 * replicas * sizeOf(spec.shape));
    return new DeviceArray(device, spec.shape, 'f32', replicas, storage);
  }

  /** Clears all gradients: the next `backward` overwrites them. */
  abstract zeroGrad(): void;

  /** Records that the values of the trainable weights changed. */
  markChanged(): void {
    for (const { trainable, tensor } of this.weights) if (trainable) tensor.array.version++;
  }

  protected disposeLayout(): void {
    this.elementReplicas?.dispose();
  }
}
