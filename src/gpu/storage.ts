import { DisposedError } from '../errors.ts';
import type { Counters } from './info.ts';

/** A range of a GPU buffer with a count of its users; the last `release` gives it back to the pool it came from. */
export class Storage {
  private users = 1;
  constructor(
    readonly buffer: GPUBuffer,
    /** Bytes from the start of `buffer`; a multiple of 256, as WebGPU asks of bindings. */
    readonly offset: number,
    readonly bytes: number,
    private readonly giveBack: (() => void) | null,
    /** What it is a range of. */
    private readonly whole: Storage | null = null,
  ) {}

  get released(): boolean {
    return this.whole ? this.whole.released : this.users === 0;
  }

  /** Another owner of the same range (a reshaped tensor, say). */
  retain(): this {
    if (this.users === 0) throw new DisposedError('storage: retained after its last release');
    this.users++;
    return this;
  }

  release(): void {
    if (this.users === 0) throw new DisposedError('storage: released more often than retained');
    if (--this.users === 0) this.giveBack?.();
  }

  /** A range inside this one, which must outlive it. `offset` is relative and a multiple of 256. */
  view(offset: number, bytes: number): Storage {
    return new Storage(this.buffer, this.offset + offset, bytes, null, this.whole ?? this);
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

/**
 * Keeps released buffers for the next tensor of the same bucket. Reuse is safe without waiting for the GPU because
 * everything on a WebGPU queue runs in the order it was submitted.
 */
export class BufferPool {
  private readonly free = new Map<number, GPUBuffer[]>();
  private readonly all = new Set<GPUBuffer>();
  private disposed = false;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    private readonly label: string,
  ) {}

  /** Bytes of all buffers this pool made, in use or free. */
  get bytes(): number {
    let sum = 0;
    for (const buffer of this.all) sum += buffer.size;
    return sum;
  }

  /** Whether this pool made the buffer. */
  owns(buffer: GPUBuffer): boolean {
    return this.all.has(buffer);
  }

  acquire(bytes: number): Storage {
    if (this.disposed) throw new DisposedError(`${this.label}: a buffer was asked for after the pool was disposed`);
    const size = Math.min(bucketBytes(bytes), this.gpu.limits.maxBufferSize); // which need not be a bucket's
    let buffer = this.free.get(size)?.pop();
    if (!buffer) {
      const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
      buffer = this.gpu.createBuffer({ label: this.label, size, usage: STORAGE | COPY_SRC | COPY_DST });
      this.all.add(buffer);
      this.counters.buffersCreated++;
      this.counters.bytesAllocated += size;
    }
    const taken = buffer;
    return new Storage(taken, 0, bytes, () => this.takeBack(taken));
  }

  private takeBack(buffer: GPUBuffer): void {
    if (this.disposed) return;
    const list = this.free.get(buffer.size);
    if (list) list.push(buffer);
    else this.free.set(buffer.size, [buffer]);
  }

  dispose(): void {
    this.disposed = true;
    for (const buffer of this.all) {
      buffer.destroy();
      this.counters.bytesAllocated -= buffer.size;
    }
    this.all.clear();
    this.free.clear();
  }
}
