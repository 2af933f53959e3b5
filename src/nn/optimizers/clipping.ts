import { checkF32, formatValue, type OptionNames } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import { DeviceArray, sizeOf } from '../../kernels/array.ts';
import { BLOCK } from '../../kernels/optimizers/blocks.ts';
import { clipByNorm, clipByValue, NO_SEGMENT, type NormTables } from '../../kernels/optimizers/clip.ts';
import type { FlatLayout } from '../weights/flat-layout.ts';
import { sliceFlat } from '../weights/flat-range.ts';

/** How gradients, including those of penalties, are clipped before a step. Give at most one, as in Keras. */
export interface ClipOptions {
  /** Scales the gradient of each weight separately so that its Euclidean norm is at most this. */
  clipNorm?: number;
  /** Scales all gradients of a replica by one factor so that their joint norm is at most this; PyTorch's `clip_grad_norm_`. */
  globalClipNorm?: number;
  /** Limits the absolute value of each element. */
  clipValue?: number;
}
export const clipOptionNames: OptionNames<ClipOptions> = { clipNorm: true, globalClipNorm: true, clipValue: true };

/** Clipping on the flat gradient buffer: three dispatches by norm, one by value. Frozen weights are ignored. */
export class Clipping {
  /** Tables by `frozenKey`: steps recorded earlier still use theirs. Null if nothing is trainable. */
  private readonly tables = new Map<string, NormTables | null>();
  private current: NormTables | null = null;

  /** Null without a limit. @throws ArgumentError for a limit that is not positive, or for several limits */
  static create(kind: string, options: ClipOptions): Clipping | null {
    const { clipNorm, globalClipNorm, clipValue } = options;
    const given = Object.entries({ clipNorm, globalClipNorm, clipValue }).filter(([, limit]) => limit !== undefined);
    for (const [name, limit] of given) {
      if (typeof limit !== 'number' || !Number.isFinite(limit) || limit <= 0) {
        throw new ArgumentError(`${kind}: ${name} must be positive, but is ${formatValue(limit)}`);
      }
      checkF32(`${kind}: ${name}`, limit);
    }
    if (given.length > 1) {
      throw new ArgumentError(
        `${kind}: only one of clipNorm, globalClipNorm and clipValue can be given, but ${given.map(([name]) => name).join(' and ')} were`,
      );
    }
    return given.length === 0 ? null : new Clipping(...(given[0] as [keyof ClipOptions, number]));
  }

  private constructor(
    private readonly mode: keyof ClipOptions,
    private readonly limit: number,
  ) {}

  get settings(): Readonly<Record<string, number>> {
    return { [this.mode]: this.limit };
  }

  /** Creates the tables for the weights that are trainable now. */
  build(store: FlatLayout): void {
    if (this.mode === 'clipValue') return;
    if (!this.tables.has(store.frozenKey)) this.tables.set(store.frozenKey, this.createTables(store));
    this.current = this.tables.get(store.frozenKey)!;
  }

  private createTables(store: FlatLayout): NormTables | null {
    const blocks = store.blockTable();
    const count = blocks.shape[0]!;
    const segment = new Uint32Array(count).fill(NO_SEGMENT);
    const segments: [first: number, count: number][] = this.mode === 'globalClipNorm' ? [[0, count]] : [];
    let next = 0;
    for (const { offset, trainable, spec } of store.weights) {
      if (offset === null) continue;
      const first = next;
      next += Math.ceil(sizeOf(spec.shape) / BLOCK);
      if (!trainable) continue;
      if (this.mode === 'clipNorm') segments.push([first, next - first]);
      segment.fill(segments.length - 1, first, next);
    }
    if (segments.length === 0) {
      blocks.dispose();
      return null;
    }
    const upload = (data: Uint32Array<ArrayBuffer>, shape: number[]) => {
      const array = DeviceArray.empty(store.device, shape, { dtype: 'u32' }).keep();
      store.device.upload(array.storage, data);
      return array;
    };
    return {
      blocks,
      segment: upload(segment, [count]),
      segments: upload(Uint32Array.from(segments.flat()), [segments.length, 2]),
    };
  }

  /** Dispatches the clipping of the store's gradients, in place. */
  apply(store: FlatLayout): void {
    if (this.mode === 'clipValue') {
      for (const range of store.trainableRanges) clipByValue(sliceFlat(store.gradients, range), this.limit);
    } else if (this.current) {
      clipByNorm(store.gradients, this.current, this.limit, this.mode === 'globalClipNorm');
    }
  }

  dispose(): void {
    for (const tables of this.tables.values()) {
      tables?.blocks.dispose();
      tables?.segment.dispose();
      tables?.segments.dispose();
    }
    this.tables.clear();
    this.current = null;
  }
}
