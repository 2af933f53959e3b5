import { toPrintableLine } from '../base/printable.ts';
import { callSite } from './call-site.ts';
import type { Storage } from './storage.ts';

/** What a tensor is, for the report. */
interface Described {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly replicas: number;
}

/** A recorded step, which holds memory for its intermediate results. */
interface Recorded {
  readonly bytes: number;
}

/** Something that was made and not released yet. It does not refer to the tensor itself, which may be collected. */
interface Entry {
  at: string;
  what: string;
  /** Asked for when the report is made. */
  bytes: () => number;
  /** The same for all that share memory, which counts once. */
  memory: object;
}

/** What a line of the program made that still lives. */
export interface TrackedLine {
  /** `path:line:column`. */
  at: string;
  /** Tensors and recorded steps. */
  count: number;
  /** Of GPU memory; what several tensors share counts once. */
  bytes: number;
  /** What they are, and how many of each: `f32 [32,10] x 3`, `weights dense/kernel, dense/bias`. */
  what: readonly string[];
}

/** Descriptions of a line that a report shows. */
const MAX_DESCRIPTIONS = 4;

/**
 * Which tensors were made since, and by which line of the program: see `Device.track`. Tensors that only look at memory of others (a
 * weight of a model, say) do not count; those that a recorded step makes count as that step's memory, until it is disposed.
 */
export class Tracking {
  /** What messages call it, whatever a bundler makes of the class's name. */
  readonly [Symbol.toStringTag] = 'Tracking';
  private readonly living = new Set<Entry>();
  private readonly entries = new WeakMap<object, Entry>();
  private readonly memories = new WeakMap<Storage, object>();

  /**
   * Made by `Device.track`.
   * @param end takes it off the device
   * @internal
   */
  constructor(private readonly end: (tracking: Tracking) => void) {}

  /**
   * Called where a tensor's array is made.
   * @internal
   */
  addTensor(array: Described & object, storage: Storage): void {
    if (storage.isView) return;
    const memory = this.memories.get(storage) ?? {};
    this.memories.set(storage, memory);
    const { bytes } = storage;
    const { dtype, shape, replicas: models } = array;
    const copies = models > 1 ? ` x ${models} models` : '';
    this.add(array, { at: callSite(), what: `${dtype} [${shape.join(',')}]${copies}`, bytes: () => bytes, memory });
  }

  /**
   * Called where a step is recorded.
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
   * Called where the owner of some memory names it.
   * @internal
   */
  setName(owner: object, name: string): void {
    const entry = this.entries.get(owner);
    if (entry) entry.what = name;
  }

  /**
   * Called where something is disposed.
   * @internal
   */
  remove(owner: object): void {
    const entry = this.entries.get(owner);
    if (entry) this.living.delete(entry);
  }

  /** What was made since tracking began and lives now, by the lines that made it; those of the most bytes first. */
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

  /** The same as text, to be printed: a line for each line of the program. */
  report(): string {
    const lines = this.lines();
    if (lines.length === 0) return 'Tracking: everything that was made since is released.';
    const sum = (key: 'count' | 'bytes') => lines.reduce((total, line) => total + line[key], 0);
    const rows = lines.map(({ at, count, bytes, what }) => {
      const more = what.length > MAX_DESCRIPTIONS ? `; ${what.length - MAX_DESCRIPTIONS} more kinds` : '';
      return `  ${at}  ${countText(count)}, ${formatBytes(bytes)}: ${what.slice(0, MAX_DESCRIPTIONS).join('; ')}${more}`;
    });
    const head = `Tracking: ${countText(sum('count'))} (${formatBytes(sum('bytes'))}) made since and not released, by line:`;
    return [head, ...rows].map(toPrintableLine).join('\n');
  }

  /** Ends it: nothing costs anything any more. Report before: what is released later is not seen. */
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
