import { formatValue } from '../base/check.ts';
import { ArgumentError, DisposedError } from '../base/errors.ts';
import type { Counters } from './info.ts';
import { failureOf, type Memory } from './memory.ts';

/** Bytes of a buffer's beginning that are remembered where the host knows them, for `console.log`. */
const KNOWN_BYTES = 256;

/** A range of a GPU buffer with a count of its users; the last `release` gives it back to the pool it came from. */
export class Storage {
  private users = 1;
  private lostBy: Error | null = null;
  private writeCount = 0;
  private known: { bytes: ArrayBuffer; writes: number } | null = null;
  constructor(
    readonly buffer: GPUBuffer,
    /** Bytes from the start of `buffer`; a multiple of 256, as WebGPU asks of bindings. */
    readonly offset: number,
    readonly bytes: number,
    private readonly onRelease: (() => void) | null,
    /** What it is a range of. */
    private readonly parent: Storage | null = null,
  ) {}

  get released(): boolean {
    return this.parent ? this.parent.released : this.users === 0;
  }

  /** Whether it is a range of another one, and holds no memory of its own. */
  get isView(): boolean {
    return this.parent !== null;
  }

  /** Whether it is the same range of the same buffer. */
  isSame(other: Storage | null | undefined): boolean {
    return this.buffer === other?.buffer && this.offset === other.offset;
  }

  /** Whether others see the same memory. */
  get isShared(): boolean {
    return this.parent !== null || this.users > 1;
  }

  /** Whether the adapter had no memory for it. */
  get failed(): boolean {
    return failureOf(this.buffer) !== null;
  }

  /** Why it does not hold what was computed for it, see `LostWork`; null where it does. */
  get loss(): Error | null {
    return this.parent ? this.parent.loss : this.lostBy;
  }

  set loss(cause: Error | null) {
    if (this.parent) this.parent.loss = cause;
    else this.lostBy = cause;
  }

  /** How often something was sent to it, computed into it or copied into it. */
  get writes(): number {
    return this.parent ? this.parent.writes : this.writeCount;
  }

  /** To be called for each such write. */
  countWrite(): void {
    if (this.parent) this.parent.countWrite();
    else this.writeCount++;
  }

  /** Notes what the host knows: that its contents began with these bytes after so many writes. What is no longer so is not noted. */
  remember(data: ArrayBufferView<ArrayBuffer>, writes: number): void {
    if (writes !== this.writes) return;
    const { buffer, byteOffset, byteLength } = data;
    this.known = { bytes: buffer.slice(byteOffset, byteOffset + Math.min(byteLength, KNOWN_BYTES)), writes };
  }

  /** The first bytes of its contents, if the host knows them; null where they may have changed since. */
  get knownBytes(): ArrayBuffer | null {
    return this.known?.writes === this.writes ? this.known.bytes : null;
  }

  /** Another owner of the same range (a reshaped tensor, say). */
  retain(): this {
    if (this.users === 0) throw new DisposedError('storage: retained after its last release');
    this.users++;
    return this;
  }

  release(): void {
    if (this.users === 0) throw new DisposedError('storage: released more often than retained');
    if (--this.users === 0) this.onRelease?.();
  }

  /** A range inside this one, which must outlive it. `offset` is relative and a multiple of 256. */
  view(offset: number, bytes: number): Storage {
    return new Storage(this.buffer, this.offset + offset, bytes, null, this.parent ?? this);
  }
}

/**
 * Rounds a request up, so that tensors of nearly the same size share buffers: to 256 bytes, then to steps of an
 * eighth of the power of two below, which wastes at most 12.5%.
 */
export function bucketBytes(bytes: number): number {
  if (bytes <= 2048) return Math.max(256, Math.ceil(bytes / 256) * 256);
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** Bytes of released buffers that a pool keeps for reuse, unless more turn out to be of use or another number is asked for. */
export const DEFAULT_KEEP_BYTES = 2 ** 28;
/** Sizes of evicted buffers that are remembered. */
const MAX_EVICTED_SIZES = 1024;

/** When buffers may be destroyed: not while commands that use them wait to be submitted. */
export interface Commands {
  readonly hasPending: boolean;
  /** Submits them, and then trims the pools. */
  flush(): void;
}

/**
 * Keeps released buffers for the next tensor of the same bucket. Reuse is safe without waiting for the GPU because
 * everything on a WebGPU queue runs in the order it was submitted.
 *
 * Of more than `limit` bytes those are evicted whose size was not used for the longest time. If evicted sizes are asked for again,
 * they were in use by turns, and the limit rises by their bytes, up to the most bytes that were ever in use at once: after a few
 * rounds of a loop nothing is made any more, while a sweep over sizes keeps no more than before.
 */
export class BufferPool {
  /** By size, those not used for the longest time first. */
  private readonly free = new Map<number, GPUBuffer[]>();
  /** When a buffer of a size was given back last, by `performance.now()`. */
  private readonly lastUse = new Map<number, number>();
  private readonly all = new Set<GPUBuffer>();
  private readonly evicted = new Map<number, number>();
  private readonly usage: GPUBufferUsageFlags;
  private limit: number;
  private allBytes = 0;
  private unusedBytes = 0;
  private peakBytesInUse = 0;
  private disposed = false;

  /**
   * @param options.commands what may still use released buffers; null for a pool that keeps all of them until it is disposed
   * @param options.counters where `bytesAllocated` is counted, if at all
   * @param options.keepBytes a limit that never rises, in bytes; default `KEPT_BYTES`, rising
   */
  constructor(
    private readonly memory: Memory,
    private readonly label: string,
    private readonly maxBufferSize: number,
    private readonly options: {
      commands: Commands | null;
      counters?: Counters;
      usage?: GPUBufferUsageFlags;
      keepBytes?: number | undefined;
    },
  ) {
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    this.usage = options.usage ?? STORAGE | COPY_SRC | COPY_DST;
    this.limit = options.keepBytes ?? DEFAULT_KEEP_BYTES;
  }

  /** Bytes of all buffers this pool made, in use or free. */
  get bytes(): number {
    return this.allBytes;
  }

  /** Bytes of those that wait for reuse. */
  get freeBytes(): number {
    return this.unusedBytes;
  }

  /** Whether this pool made the buffer. */
  owns(buffer: GPUBuffer): boolean {
    return this.all.has(buffer);
  }

  /** @throws OutOfMemoryError, DisposedError */
  acquire(bytes: number): Storage {
    if (this.disposed) throw new DisposedError(`${this.label}: a buffer was asked for after the pool was disposed`);
    const size = Math.min(bucketBytes(bytes), this.maxBufferSize); // which need not be a bucket's
    const buffer = this.reuse(size) ?? this.create(size);
    this.peakBytesInUse = Math.max(this.peakBytesInUse, this.allBytes - this.unusedBytes);
    return new Storage(buffer, 0, bytes, () => this.recycle(buffer));
  }

  private reuse(size: number): GPUBuffer | undefined {
    const list = this.free.get(size);
    if (!list) return undefined;
    const buffer = list.pop()!;
    this.free.delete(size);
    if (list.length > 0) this.free.set(size, list); // now the size that was used last
    this.unusedBytes -= size;
    return buffer;
  }

  private create(size: number): GPUBuffer {
    const { commands, keepBytes } = this.options;
    if (keepBytes === undefined && this.wasEvicted(size)) {
      this.limit = Math.max(this.limit, Math.min(this.limit + size, this.peakBytesInUse));
    }
    if (this.unusedBytes > this.limit) commands?.flush();
    const buffer = this.memory.create({ label: this.label, size, usage: this.usage }, () => this.forget(buffer));
    this.all.add(buffer);
    this.count(size);
    return buffer;
  }

  /** Whether a buffer of that size was evicted, one for each that was. */
  private wasEvicted(size: number): boolean {
    const count = this.evicted.get(size) ?? 0;
    if (count > 1) this.evicted.set(size, count - 1);
    else this.evicted.delete(size);
    return count > 0;
  }

  private recycle(buffer: GPUBuffer): void {
    if (this.disposed || !this.all.has(buffer)) return;
    const { size } = buffer;
    const list = this.free.get(size) ?? [];
    list.push(buffer);
    this.free.delete(size);
    this.free.set(size, list);
    this.lastUse.set(size, performance.now());
    this.unusedBytes += size;
    const { commands } = this.options;
    if (!commands || this.unusedBytes <= this.limit) return;
    if (!commands.hasPending) this.trim();
    else this.memory.defer(() => this.unusedBytes > this.limit && commands.flush()); // should nothing else do so
  }

  /** Destroys free buffers beyond the limit. Nothing that uses them may wait to be submitted. */
  trim(): void {
    if (this.options.commands && this.unusedBytes > this.limit) this.evict(this.limit);
  }

  /** Destroys the free buffers of sizes of which none was given back since then, by `performance.now()`. The same holds. */
  trimUnused(since: number): void {
    if (!this.options.commands) return;
    for (const [size, list] of this.free) {
      if (this.lastUse.get(size)! >= since) continue;
      for (const buffer of list) this.remove(buffer);
      this.unusedBytes -= size * list.length;
      this.free.delete(size);
      this.lastUse.delete(size);
    }
  }

  /** Destroys all free buffers, as memory has run out. The same holds. */
  drop(): void {
    this.limit = this.options.keepBytes ?? DEFAULT_KEEP_BYTES;
    if (this.options.commands) this.evict(0);
    this.evicted.clear();
  }

  private evict(left: number): void {
    for (const [size, list] of this.free) {
      while (list.length > 0 && this.unusedBytes > left) {
        this.unusedBytes -= size;
        this.remove(list.pop()!);
        this.evicted.set(size, (this.evicted.get(size) ?? 0) + 1);
      }
      if (list.length > 0) break;
      this.free.delete(size);
    }
    for (const size of this.evicted.keys()) {
      if (this.evicted.size <= MAX_EVICTED_SIZES) break;
      this.evicted.delete(size);
    }
  }

  private remove(buffer: GPUBuffer): void {
    this.memory.destroy(buffer);
    this.all.delete(buffer);
    this.count(-buffer.size);
  }

  /** A buffer that the adapter had no memory for is given to nobody again. */
  private forget(buffer: GPUBuffer): void {
    if (!this.all.delete(buffer)) return;
    this.count(-buffer.size);
    const list = this.free.get(buffer.size);
    const at = list?.indexOf(buffer) ?? -1;
    if (at < 0) return;
    list!.splice(at, 1);
    if (list!.length === 0) this.free.delete(buffer.size);
    this.unusedBytes -= buffer.size;
  }

  private count(bytes: number): void {
    this.allBytes += bytes;
    if (this.options.counters) this.options.counters.bytesAllocated += bytes;
  }

  dispose(): void {
    this.disposed = true;
    for (const buffer of this.all) this.remove(buffer);
    this.free.clear();
    this.unusedBytes = 0;
  }
}

/** @throws ArgumentError unless it is left out or a number of bytes */
export function checkKeepBytes(subject: string, keepBytes: number | undefined): void {
  if (keepBytes === undefined || (Number.isInteger(keepBytes) && keepBytes >= 0)) return;
  throw new ArgumentError(
    `${subject}: keepBytes must be a number of bytes from 0 up, but is ${formatValue(keepBytes)}`,
  );
}
