import { formatValue } from '../base/check.ts';
import { ArgumentError, DisposedError } from '../base/errors.ts';
import type { Counters } from './info.ts';
import { failureOf, type Memory } from './memory.ts';

/** Bytes at the start of a buffer that are remembered if the host knows them, for `console.log`. */
const KNOWN_BYTES = 256;

/** A range of a GPU buffer with a count of its users; the last `release` returns it to its pool. */
export class Storage {
  private users = 1;
  private lostBy: Error | null = null;
  private writeCount = 0;
  private known: { bytes: ArrayBuffer; writes: number } | null = null;
  constructor(
    readonly buffer: GPUBuffer,
    /** Bytes from the start of `buffer`; a multiple of 256, as WebGPU requires of bindings. */
    readonly offset: number,
    readonly bytes: number,
    private readonly onRelease: (() => void) | null,
    /** The storage that this one is a view of; null if it is not a view. */
    private readonly parent: Storage | null = null,
  ) {}

  get released(): boolean {
    return this.parent ? this.parent.released : this.users === 0;
  }

  /** Whether it is a view of another storage, without its own memory. */
  get isView(): boolean {
    return this.parent !== null;
  }

  /** Whether it is the same range of the same buffer. */
  isSame(other: Storage | null | undefined): boolean {
    return this.buffer === other?.buffer && this.offset === other.offset;
  }

  /** Whether other tensors use the same memory. */
  get isShared(): boolean {
    return this.parent !== null || this.users > 1;
  }

  /** Whether the adapter had no memory for it. */
  get failed(): boolean {
    return failureOf(this.buffer) !== null;
  }

  /** The error because of which its contents were not computed (see `LostWork`); null if there is none. */
  get loss(): Error | null {
    return this.parent ? this.parent.loss : this.lostBy;
  }

  set loss(cause: Error | null) {
    if (this.parent) this.parent.loss = cause;
    else this.lostBy = cause;
  }

  /** Number of uploads to it, dispatches that may write it and copies into it. */
  get writes(): number {
    return this.parent ? this.parent.writes : this.writeCount;
  }

  /** Counts a write; call it for each one. */
  countWrite(): void {
    if (this.parent) this.parent.countWrite();
    else this.writeCount++;
  }

  /** Remembers that the contents began with these bytes after `writes` writes; ignored if there were more writes since. */
  remember(data: ArrayBufferView<ArrayBuffer>, writes: number): void {
    if (writes !== this.writes) return;
    const { buffer, byteOffset, byteLength } = data;
    this.known = { bytes: buffer.slice(byteOffset, byteOffset + Math.min(byteLength, KNOWN_BYTES)), writes };
  }

  /** The first bytes of its contents if the host knows them; null if they may have changed. */
  get knownBytes(): ArrayBuffer | null {
    return this.known?.writes === this.writes ? this.known.bytes : null;
  }

  /** Adds a user of the same range, such as a reshaped tensor. */
  retain(): this {
    if (this.users === 0) throw new DisposedError('storage: retained after its last release');
    this.users++;
    return this;
  }

  release(): void {
    if (this.users === 0) throw new DisposedError('storage: released more often than retained');
    if (--this.users === 0) this.onRelease?.();
  }

  /** A view of a part of this storage, which must outlive the view. `offset` is relative to this one and a multiple of 256. */
  view(offset: number, bytes: number): Storage {
    return new Storage(this.buffer, this.offset + offset, bytes, null, this.parent ?? this);
  }
}

/**
 * Rounds a size up so that tensors of similar sizes share buffers: to multiples of 256 bytes up to 2,048, then to multiples of an
 * eighth of the power of two below, which wastes at most 12.5%.
 */
export function bucketBytes(bytes: number): number {
  if (bytes <= 2048) return Math.max(256, Math.ceil(bytes / 256) * 256);
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** Default limit, in bytes, on released buffers that a pool keeps for reuse; it rises if a loop needs more. */
export const DEFAULT_KEEP_BYTES = 2 ** 28;
/** Largest free buffer that a recorded program reuses, as a multiple of the wanted size. 4 to 16 need equal memory for steps of two networks. */
const MAX_SPARE = 8;
/** Most sizes of evicted buffers that are remembered. */
const MAX_EVICTED_SIZES = 1024;

/** Pending commands: buffers that they use must not be destroyed before they are submitted. */
export interface Commands {
  readonly hasPending: boolean;
  /** Submits the commands, then trims the pools. */
  flush(): void;
}

/**
 * Keeps released buffers for the next tensor of the same bucket. Reuse is safe without waiting for the GPU because
 * everything on a WebGPU queue runs in the order of submission.
 *
 * Above `limit` bytes, the sizes that were not used for the longest time are evicted. If an evicted size is requested again,
 * the limit rises by its bytes, up to the most bytes ever in use at once. So a loop stops creating buffers
 * after a few rounds, while a sweep over sizes keeps no more than before.
 */
export class BufferPool {
  /** Free buffers by size; the sizes not used for the longest time come first. */
  private readonly free = new Map<number, GPUBuffer[]>();
  /** Time of the last release of a buffer, by size; from `performance.now()`. */
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
   * @param options.commands pending commands that may use released buffers; null to keep all buffers until the pool is disposed
   * @param options.counters counters whose `bytesAllocated` to update; default none
   * @param options.keepBytes a limit in bytes that never rises; default `DEFAULT_KEEP_BYTES`, which rises
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

  /** Bytes of all buffers of this pool, in use or free. */
  get bytes(): number {
    return this.allBytes;
  }

  /** Bytes of its free buffers. */
  get freeBytes(): number {
    return this.unusedBytes;
  }

  /** Whether the buffer belongs to this pool. */
  owns(buffer: GPUBuffer): boolean {
    return this.all.has(buffer);
  }

  /** @throws OutOfMemoryError, DisposedError */
  acquire(bytes: number): Storage {
    if (this.disposed) throw new DisposedError(`${this.label}: a buffer was requested after the pool was disposed`);
    const size = Math.min(bucketBytes(bytes), this.maxBufferSize); // the maximum need not be a bucket size
    const buffer = this.reuse(size) ?? this.create(size);
    this.peakBytesInUse = Math.max(this.peakBytesInUse, this.allBytes - this.unusedBytes);
    return new Storage(buffer, 0, bytes, () => this.recycle(buffer));
  }

  private reuse(wanted: number): GPUBuffer | undefined {
    const size = this.options.commands ? wanted : this.smallestFree(wanted);
    const list = this.free.get(size);
    if (!list) return undefined;
    const buffer = list.pop()!;
    this.free.delete(size);
    if (list.length > 0) this.free.set(size, list); // re-inserted as the size used last
    this.unusedBytes -= size;
    return buffer;
  }

  /**
   * The smallest size, from `wanted` up, of which there is a free buffer. For pools that keep all buffers, those of recorded programs: a
   * step of a VGG with four blocks needs 21% less memory than with buffers of the exact size alone, a step of MobileNetV2 13% less.
   */
  private smallestFree(wanted: number): number {
    let best = Number.POSITIVE_INFINITY;
    for (const size of this.free.keys()) if (size >= wanted && size < best && size <= MAX_SPARE * wanted) best = size;
    return best;
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

  /** Whether a buffer of this size was evicted; each eviction counts once. */
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
    else this.memory.defer(() => this.unusedBytes > this.limit && commands.flush()); // in case nothing else submits
  }

  /** Destroys free buffers above the limit. No pending commands may use them. */
  trim(): void {
    if (this.options.commands && this.unusedBytes > this.limit) this.evict(this.limit);
  }

  /** Destroys free buffers of sizes without a release since `since` (of `performance.now()`). No pending commands may use them. */
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

  /** Destroys all free buffers, when memory has run out. No pending commands may use them. */
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

  /** Removes a buffer for which the adapter had no memory, so that it is not reused. */
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

/** @throws ArgumentError unless `keepBytes` is undefined or an integer from 0 up */
export function checkKeepBytes(subject: string, keepBytes: number | undefined): void {
  if (keepBytes === undefined || (Number.isInteger(keepBytes) && keepBytes >= 0)) return;
  throw new ArgumentError(
    `${subject}: keepBytes must be a number of bytes from 0 up, but is ${formatValue(keepBytes)}`,
  );
}
