import { copyArray } from '../../autograd/copy-array.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray, type Shape, sizeOf } from '../../kernels/array.ts';
import { BLOCK } from '../../kernels/optimizers/blocks.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import type { FlatRange } from './flat-range.ts';
import type { Penalties } from './penalties.ts';

const blocksOf = (shape: Shape) => Math.ceil(sizeOf(shape) / BLOCK);

/** A weight with a place in the flat buffers. */
export interface FlatWeight {
  /** Where its elements begin in the flat buffers; null for what is never trained. */
  readonly offset: number | null;
  /** Whether training changes it now. */
  readonly trainable: boolean;
  readonly spec: { readonly shape: Shape; readonly layer?: { readonly trainable: boolean } | undefined };
  /** What gets the gradients, in the place that its `gradHome` is. */
  readonly tensor: Tensor;
}

/** A range of the weights that an optimizer updates in one dispatch. */
export interface UpdateRange {
  range: FlatRange;
  /** Its elements, f32 [run.size]. */
  weight: DeviceArray;
}

/**
 * The layout of flat buffers: one element for each of the weights, all replicas of a weight one after another, each weight at a multiple
 * of BLOCK. Gradients lie so, and what an optimizer remembers.
 */
export abstract class FlatLayout<W extends FlatWeight = FlatWeight> {
  abstract readonly device: Device;
  abstract readonly replicas: number;
  abstract readonly gradients: DeviceArray;
  abstract readonly weights: readonly W[];
  /** Null where no weight has a penalty. */
  abstract readonly penalties: Penalties | null;
  private elementReplicas: DeviceArray | null = null;

  /** Whose weights are frozen now, as a word to compare by: also of layers that have only averages, which training moves. */
  get frozenKey(): string {
    return this.weights.map(({ spec }) => ((spec.layer?.trainable ?? true) ? '1' : '0')).join('');
  }

  /** Ranges of the flat buffers that are trained now, neighbours joined: one, unless layers are frozen. */
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
   * u32 [replicas, blocks, 4]: where each block of at most 64 elements of a weight begins in each replica, how many elements it
   * has, and two words that `words` gives for it. The caller owns it.
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
    const options = { dtype: 'u32', models: this.replicas } as const;
    const table = DeviceArray.empty(this.device, [entries.length / 4 / this.replicas, 4], options).keep();
    if (entries.length > 0) this.device.upload(table.storage, Uint32Array.from(entries));
    return table;
  }

  /** u32 of the flat buffers' size: the replica each element belongs to, after `tellOwners`. */
  get replicaOfElement(): DeviceArray {
    return this.elementReplicas!;
  }

  /** Sends the table of owners to the GPU, which cannot be done while a step is recorded. */
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

  /** What is trained now. */
  abstract get updates(): UpdateRange[];

  /** Whether any weight that is trained now has a gradient. */
  get hasGradients(): boolean {
    return this.weights.some(({ trainable, tensor }) => trainable && tensor.grad !== null);
  }

  /**
   * Makes the flat gradients those that the weights have: zeros for one that no backward pass reached since it was cleared, and a copy
   * of one that lies elsewhere, because its owner put it there.
   */
  collectGrads(): void {
    for (const { trainable, offset, spec, tensor } of this.weights) {
      if (!trainable || offset === null) continue;
      const { grad, models } = tensor;
      const into = this.gradientView({ offset, spec });
      if (!grad) fill(this.device, spec.shape, 0, { models, into: into });
      else if (grad.array.storage.buffer !== into.storage.buffer) copyArray(grad.array, into);
      into.dispose();
    }
  }

  /** A weight's place in the flat gradients. */
  protected gradientView({ offset, spec }: { offset: number | null; spec: { readonly shape: Shape } }): DeviceArray {
    const { device, replicas } = this;
    const storage = this.gradients.storage.view(4 * offset!, 4 * replicas * sizeOf(spec.shape));
    return new DeviceArray(device, spec.shape, 'f32', replicas, storage);
  }

  /** Forgets all gradients: the next `backward` overwrites them. */
  abstract zeroGrad(): void;

  /** Notes that the weights were given other values. */
  markChanged(): void {
    for (const { trainable, tensor } of this.weights) if (trainable) tensor.array.version++;
  }

  protected disposeLayout(): void {
    this.elementReplicas?.dispose();
  }
}
