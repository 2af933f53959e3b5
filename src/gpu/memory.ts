import { OutOfMemoryError } from '../base/errors.ts';
import { type Failures, textOf } from './failures.ts';
import type { Counters } from './info.ts';

/**
 * Host memory of a software adapter, whose driver may end the process instead of reporting that no memory is left.
 * @inline
 */
export interface HostMemory {
  /** Bytes still available. @param held bytes of the device's buffers, which count as used before anything is written to them */
  available(held: number): number;
  /** Blocks the thread. */
  sleep(milliseconds: number): void;
}

/** Bytes of new buffers between two checks of the host's memory; a check takes about 50 us. */
const CHECK_EVERY_BYTES = 2 ** 24;
/** Bytes that must stay free for the host and the driver's compiler. */
const RESERVE_BYTES = 2 ** 27;
/** Most milliseconds to wait for freed memory: the work that uses it must end first. */
const MAX_RECLAIM_MS = 10_000;
/** Dawn puts smaller buffers into blocks that it never frees, so there is nothing to reclaim. */
const OWN_BLOCK_BYTES = 2 ** 22;

/** If an adapter refuses a size that its limits allow, that is a validation error. Smaller buffers skip that scope, which takes time. */
const LARGE_BYTES = 2 ** 20;

const failed = new WeakMap<GPUBuffer, OutOfMemoryError>();

/** The error if the adapter refused a buffer, which then has no contents; else null. */
export const failureOf = (buffer: GPUBuffer): OutOfMemoryError | null => failed.get(buffer) ?? null;

const outOfMemory = (message: string): OutOfMemoryError =>
  new OutOfMemoryError(
    `device: the adapter ran out of memory, and buffers made since then are unusable; use a smaller batch or model (${message})`,
  );

/** Creates and destroys all buffers of a device. */
export class Memory {
  /** Bytes of all existing buffers. */
  private heldBytes = 0;
  private uncheckedBytes = 0;
  private reclaiming = false;
  private closed = false;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    private readonly host: HostMemory | null,
    /** Destroys all buffers kept for reuse. */
    private readonly dropFree: () => void,
    private readonly failures: Pick<Failures, 'answers' | 'refuse'>,
    /** Waits for a long-running promise. */
    private readonly wait: <T>(promise: Promise<T>) => Promise<T>,
  ) {}

  /**
   * Creates a buffer. Adapters with their own memory report later that there was none. Then `onFail` is called, all buffers kept
   * for reuse are destroyed, and the next call that uses the device throws.
   * @throws OutOfMemoryError if it is known at once, after all buffers kept for reuse were destroyed
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
      if (cause instanceof RangeError) throw outOfMemory(cause.message); // the host has no memory to map it
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

  /** Reports that memory ran out for an unknown object; the next call that uses the device throws it, once. */
  reportOutOfMemory(message: string): void {
    this.refuse(outOfMemory(message));
  }

  private refuse(error: OutOfMemoryError): void {
    this.failures.refuse(error);
    this.dropFree();
  }

  /** @throws OutOfMemoryError unless the host has `bytes` left, if buffers are in host memory; small requests are not checked */
  requireHostBytes(bytes: number): void {
    const { host } = this;
    const needed = bytes + RESERVE_BYTES;
    if (!host || bytes < CHECK_EVERY_BYTES || host.available(this.heldBytes) >= needed) return;
    const before = this.heldBytes;
    this.dropFree();
    let left = host.available(this.heldBytes);
    const enough = Math.min(needed, left + before - this.heldBytes - OWN_BLOCK_BYTES);
    // The driver frees memory at a submit, after all work submitted before has finished.
    for (let i = 0; i < MAX_RECLAIM_MS && left < enough; i++) {
      this.gpu.queue.submit([]);
      host.sleep(1);
      left = host.available(this.heldBytes);
    }
    if (left >= needed) return;
    throw new OutOfMemoryError(
      `device: ${bytes} bytes were requested, but this machine's memory, where the adapter keeps its buffers, has ` +
        `${Math.max(0, Math.floor(left))} bytes left, of which ${RESERVE_BYTES} must stay free; ` +
        'use a smaller batch or model, or dispose what is no longer needed',
    );
  }

  /** Frees destroyed buffers: the implementation does so only when a later submit has finished, which might never come. */
  private reclaimSoon(): void {
    if (this.reclaiming) return;
    this.reclaiming = true;
    this.defer(() => {
      this.reclaiming = false;
      this.gpu.queue.submit([]);
      this.failures.answers.watch(this.wait(this.gpu.queue.onSubmittedWorkDone()));
    });
  }

  /** Runs `action` in a microtask, unless the device is closed by then. */
  defer(action: () => void): void {
    queueMicrotask(() => {
      if (!this.closed) action();
    });
  }

  /** Call it before the device is destroyed, with all its buffers. */
  close(): void {
    this.closed = true;
  }
}
