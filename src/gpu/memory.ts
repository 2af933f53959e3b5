import { OutOfMemoryError } from '../base/errors.ts';
import { type Failures, textOf } from './failures.ts';
import type { Counters } from './info.ts';

/**
 * The memory behind a software adapter, whose driver may end the process where there is none left instead of saying so.
 * @inline
 */
export interface HostMemory {
  /** Bytes that can still be had. `held`: bytes of the device's buffers, which count as taken before anything writes to them. */
  available(held: number): number;
  /** Blocks the thread. */
  sleep(milliseconds: number): void;
}

/** Bytes of new buffers between two looks at the host's memory, each of which takes some 50 us. */
const CHECK_EVERY_BYTES = 2 ** 24;
/** Bytes that must be left besides: the host and the driver's compiler need memory, too. */
const RESERVE_BYTES = 2 ** 27;
/** Milliseconds that memory which was given back may take to be there: what still uses it has to end before. */
const MAX_RECLAIM_MS = 10_000;
/** Dawn puts smaller buffers into blocks that it never gives back: for those nothing needs to be hurried. */
const OWN_BLOCK_BYTES = 2 ** 22;

/** A size that an adapter refuses though its limits allow it is a validation error. Smaller buffers need no scope for that, which takes time. */
const LARGE_BYTES = 2 ** 20;

const failed = new WeakMap<GPUBuffer, OutOfMemoryError>();

/** What the adapter said after a buffer was made, if it refused the buffer, which then holds nothing; else null. */
export const failureOf = (buffer: GPUBuffer): OutOfMemoryError | null => failed.get(buffer) ?? null;

const outOfMemory = (message: string): OutOfMemoryError =>
  new OutOfMemoryError(
    `device: the adapter ran out of memory, and what was made since is of no use; use a smaller batch or model (${message})`,
  );

/** Makes and destroys all buffers of a device. */
export class Memory {
  /** Bytes of all buffers there are. */
  private heldBytes = 0;
  private uncheckedBytes = 0;
  private reclaiming = false;
  private closed = false;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    private readonly host: HostMemory | null,
    /** Destroys all that is kept for reuse. */
    private readonly dropFree: () => void,
    private readonly failures: Pick<Failures, 'answers' | 'refuse'>,
    /** How a long wait is waited for. */
    private readonly wait: <T>(promise: Promise<T>) => Promise<T>,
  ) {}

  /**
   * A new buffer. Adapters with memory of their own tell later that there was none: `onFail` is called then, everything that is kept
   * for reuse is dropped, and the next call that touches the device throws.
   * @throws OutOfMemoryError where it is known at once, after all that is kept for reuse was dropped
   */
  create(descriptor: GPUBufferDescriptor, onFail: (buffer: GPUBuffer) => void = () => {}): GPUBuffer {
    this.uncheckedBytes += descriptor.size;
    if (this.uncheckedBytes >= CHECK_EVERY_BYTES) {
      const bytes = this.uncheckedBytes;
      this.uncheckedBytes = 0;
      this.requireHostBytes(bytes);
    }
    const buffer = this.createWatched(descriptor, onFail);
    this.counters.buffersCreated++;
    this.heldBytes += buffer.size;
    return buffer;
  }

  destroy(buffer: GPUBuffer): void {
    buffer.destroy();
    if (!failed.has(buffer)) this.heldBytes -= buffer.size;
    if (buffer.size >= OWN_BLOCK_BYTES) this.reclaimSoon();
  }

  private createWatched(descriptor: GPUBufferDescriptor, onFail: (buffer: GPUBuffer) => void): GPUBuffer {
    const isLarge = descriptor.size >= LARGE_BYTES;
    this.gpu.pushErrorScope('out-of-memory');
    if (isLarge) this.gpu.pushErrorScope('validation');
    let buffer: GPUBuffer | null = null;
    try {
      buffer = this.gpu.createBuffer(descriptor);
      return buffer;
    } catch (cause) {
      if (cause instanceof RangeError) throw outOfMemory(cause.message); // the host has no memory for one that is to be mapped
      throw cause;
    } finally {
      const take = (error: GPUError | null) => {
        if (error && buffer && !failed.has(buffer)) this.forget(buffer, outOfMemory(textOf(error)), onFail);
      };
      const { answers } = this.failures;
      answers.watch(this.gpu.popErrorScope(), take);
      if (isLarge) answers.watch(this.gpu.popErrorScope(), take);
    }
  }

  private forget(buffer: GPUBuffer, error: OutOfMemoryError, onFail: (buffer: GPUBuffer) => void): void {
    failed.set(buffer, error);
    this.heldBytes -= buffer.size;
    onFail(buffer);
    this.refuse(error);
  }

  /** Memory ran out for something that is not known: to be thrown by the next call that touches the device, once. */
  reportOutOfMemory(message: string): void {
    this.refuse(outOfMemory(message));
  }

  private refuse(error: OutOfMemoryError): void {
    this.failures.refuse(error);
    this.dropFree();
  }

  /** @throws OutOfMemoryError unless the host, where that is where buffers lie, has so many bytes left; of few it is not asked */
  requireHostBytes(bytes: number): void {
    const { host } = this;
    const needed = bytes + RESERVE_BYTES;
    if (!host || bytes < CHECK_EVERY_BYTES || host.available(this.heldBytes) >= needed) return;
    const before = this.heldBytes;
    this.dropFree();
    let left = host.available(this.heldBytes);
    const enough = Math.min(needed, left + before - this.heldBytes - OWN_BLOCK_BYTES);
    // The driver gives memory back as it is given something to do, once all that was submitted before is done.
    for (let i = 0; i < MAX_RECLAIM_MS && left < enough; i++) {
      this.gpu.queue.submit([]);
      host.sleep(1);
      left = host.available(this.heldBytes);
    }
    if (left >= needed) return;
    throw new OutOfMemoryError(
      `device: ${bytes} bytes were asked for, but of this machine's memory, where the adapter keeps its buffers, ` +
        `${Math.max(0, Math.floor(left))} bytes are left, of which ${RESERVE_BYTES} stay free; ` +
        'use a smaller batch or model, or dispose what is no longer needed',
    );
  }

  /** Destroyed buffers are given back when the queue next gets something and ends it, which may be never. */
  private reclaimSoon(): void {
    if (this.reclaiming) return;
    this.reclaiming = true;
    this.defer(() => {
      this.reclaiming = false;
      this.gpu.queue.submit([]);
      this.failures.answers.watch(this.wait(this.gpu.queue.onSubmittedWorkDone()));
    });
  }

  /** Does it after what runs now, unless the device is gone by then. */
  defer(action: () => void): void {
    queueMicrotask(() => {
      if (!this.closed) action();
    });
  }

  /** The device is about to go, and all its buffers with it. */
  close(): void {
    this.closed = true;
  }
}
