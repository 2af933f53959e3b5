import { toPrintableLine } from '../base/printable.ts';
import { callSite } from './call-site.ts';
import type { Storage } from './storage.ts';

/** Description of a tensor for the report. */
interface Described {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly replicas: number;
}

/** A recorded step, with memory for its intermediate results. */
interface Recorded {
  readonly bytes: number;
}

/** A tensor or step that is not released yet. It does not refer to the tensor itself, so that it can be garbage-collected. */
interface Entry {
  at: string;
  what: string;
  /** Called when the report is made. */
  bytes: () => number;
  /** Identity of the memory; shared memory counts once. */
  memory: object;
}

/** Unreleased tensors and steps that one line of the program created. */
export interface TrackedLine {
  /** `path:line:column`. */
  at: string;
  /** Tensors and recorded steps. */
  count: number;
  /** Bytes of GPU memory; memory that several tensors share counts once. */
  bytes: number;
  /** Descriptions with counts: `f32 [32,10] x 3`, `weights dense/kernel, dense/bias`. */
  what: readonly string[];
}

/** Most descriptions of a line in a report. */
const MAX_DESCRIPTIONS = 4;

/**
 * Unreleased tensors by the line of the program that created them: see `Device.track`. Views of other memory, such as
 * a weight of a model, do not count. Tensors of a recorded step count as the step's memory until it is disposed.
 */
export class Tracking {
  /** The name in messages; bundlers rename the class itself. */
  readonly [Symbol.toStringTag] = 'Tracking';
  private readonly living = new Set<Entry>();
  private readonly entries = new WeakMap<object, Entry>();
  private readonly memories = new WeakMap<Storage, object>();

  /**
   * Constructed by `Device.track`.
   * @param end removes the tracking from the device
   * @internal
   */
  constructor(private readonly end: (tracking: Tracking) => void) {}

  /**
   * Called when a tensor's array is created.
   * @internal
   */
  addTensor(array: Described & object, storage: Storage): void {
    if (storage.isView) return;
    const memory = this.memories.get(storage) ?? {};
    this.memories.set(storage, memory);
    const { bytes } = storage;
    const { dtype, shape, replicas } = array;
    const copies = replicas > 1 ? ` x ${replicas} replicas` : '';
    this.add(array, { at: callSite(), what: `${dtype} [${shape.join(',')}]${copies}`, bytes: () => bytes, memory });
  }

  /**
   * Called when a step is recorded.
   * @internal
   */
  addStep(program: Recorded): void {
    this.add(program, { at: callSite(), what: 'a recorded step', bytes: () => program.bytes, memory: {} });
  }

  private add(owner: object, entry: Entry): void {
    this.entries.set(owner, entry);
    this.living.add(entry);
  }

  /**
   * Sets the description of `owner`, such as the weights of a model.
   * @internal
   */
  setName(owner: object, name: string): void {
    const entry = this.entries.get(owner);
    if (entry) entry.what = name;
  }

  /**
   * Called when `owner` is disposed.
   * @internal
   */
  remove(owner: object): void {
    const entry = this.entries.get(owner);
    if (entry) this.living.delete(entry);
  }

  /** Unreleased tensors and steps since tracking began, by the line that created them; most bytes first. */
  lines(): TrackedLine[] {
    const counted = new Set<object>();
    const found = new Map<string, { bytes: number; count: number; what: Map<string, number> }>();
    for (const { at, what, bytes, memory } of this.living) {
      const line = found.get(at) ?? { bytes: 0, count: 0, what: new Map() };
      found.set(at, line);
      line.count++;
      if (!counted.has(memory)) line.bytes += bytes();
      counted.add(memory);
      line.what.set(what, (line.what.get(what) ?? 0) + 1);
    }
    return [...found]
      .map(([at, { bytes, count, what }]) => {
        const each = [...what].map(([one, times]) => (times > 1 ? `${one} x ${times}` : one));
        return { at, count, bytes, what: each };
      })
      .sort((a, b) => b.bytes - a.bytes || b.count - a.count);
  }

  /** The result of `lines` as text, one line each. */
  report(): string {
    const lines = this.lines();
    if (lines.length === 0) return 'Tracking: all tensors created since then are released.';
    const sum = (key: 'count' | 'bytes') => lines.reduce((total, line) => total + line[key], 0);
    const rows = lines.map(({ at, count, bytes, what }) => {
      const more = what.length > MAX_DESCRIPTIONS ? `; ${what.length - MAX_DESCRIPTIONS} more kinds` : '';
      return `  ${at}  ${countText(count)}, ${formatBytes(bytes)}: ${what.slice(0, MAX_DESCRIPTIONS).join('; ')}${more}`;
    });
    const head = `Tracking: ${countText(sum('count'))} (${formatBytes(sum('bytes'))}) created since then and not released, by line:`;
    return [head, ...rows].map(toPrintableLine).join('\n');
  }

  /** Stops tracking, and its cost. Call `report` before, because later releases are not noticed. */
  stop(): void {
    this.end(this);
  }

  /** The same as `stop`, for `using`. */
  [Symbol.dispose](): void {
    this.stop();
  }
}

const countText = (count: number) => (count === 1 ? '1 tensor' : `${count} tensors`);

function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
