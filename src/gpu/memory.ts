import { OutOfMemoryError } from '../errors.ts';
import type { Counters } from './info.ts';

/** The memory behind a software adapter, whose driver may end the process where there is none left instead of saying so. */
export interface HostMemory {
  /** Bytes that can still be had. `held`: bytes of the device's buffers, which count as taken before anything writes to them. */
  available(held: number): number;
  /** Blocks the thread. */
  sleep(milliseconds: number): void;
}

/** Bytes of new buffers between two looks at the host's memory, each of which takes some 50 us. */
const CHECK_EVERY = 2 ** 24;
/** Bytes that must be left besides: the host and the driver's compiler need memory, too. */
const RESERVE = 2 ** 27;
/** Milliseconds that memory which was given back may take to be there: what still uses it has to end before. */
const PATIENCE_MS = 10_000;
/** Dawn puts smaller buffers into blocks that it never gives back: for those nothing needs to be hurried. */
const OWN_BLOCK = 2 ** 22;

const failed = new WeakSet<GPUBuffer>();

/** Whether the adapter had no memory for a buffer, as it said after it was made: it holds nothing. */
export const hasNoMemory = (buffer: GPUBuffer): boolean => failed.has(buffer);

/** Makes and destroys all buffers of a device. */
export class Memory {
  /** Bytes of all buffers there are. */
  private held = 0;
  private unchecked = 0;
  private hurrying = false;
  private closed = false;
  private late: OutOfMemoryError | null = null;
  /** Whether any buffer has failed: errors about invalid buffers are then consequences. */
  anyFailed = false;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    private readonly host: HostMemory | null,
    /** Destroys all that is kept for reuse. */
    private readonly dropFree: () => void,
    /** Told of what WebGPU answers later. */
    private readonly watch: (answer: Promise<unknown>) => void,
    /** How a long wait is waited for. */
    private readonly wait: <T>(promise: Promise<T>) => Promise<T>,
  ) {}

  /**
   * A new buffer. Adapters with memory of their own tell later that there was none: `onFail` is called then, everything that is kept
   * for reuse is dropped, and `takeFailure` returns the error.
   * @throws OutOfMemoryError where it is known at once, after all that is kept for reuse was dropped
   */
  create(descriptor: GPUBufferDescriptor, onFail: (buffer: GPUBuffer) => void = () => {}): GPUBuffer {
    this.unchecked += descriptor.size;
    if (this.unchecked >= CHECK_EVERY) {
      const bytes = this.unchecked;
      this.unchecked = 0;
      this.require(bytes);
    }
    this.gpu.pushErrorScope('out-of-memory');
    const buffer = this.gpu.createBuffer(descriptor);
    this.watch(
      this.gpu.popErrorScope().then((error) => {
        if (!error) return;
        failed.add(buffer);
        this.held -= buffer.size;
        onFail(buffer);
        this.report(error.message);
      }),
    );
    this.counters.buffersCreated++;
    this.held += buffer.size;
    return buffer;
  }

  destroy(buffer: GPUBuffer): void {
    buffer.destroy();
    if (!failed.has(buffer)) this.held -= buffer.size;
    if (buffer.size >= OWN_BLOCK) this.hurry();
  }

  /** To be thrown by the next call that touches the device, once. */
  report(message: string): void {
    this.anyFailed = true;
    this.late ??= new OutOfMemoryError(
      `device: the adapter ran out of memory, and what was made since is of no use; use a smaller batch or model (${message})`,
    );
    this.dropFree();
  }

  takeFailure(): OutOfMemoryError | null {
    const { late } = this;
    this.late = null;
    return late;
  }

  /** @throws OutOfMemoryError unless the host, where that is where buffers lie, has so many bytes left; of few it is not asked */
  require(bytes: number): void {
    const { host } = this;
    const needed = bytes + RESERVE;
    if (!host || bytes < CHECK_EVERY || host.available(this.held) >= needed) return;
    const before = this.held;
    this.dropFree();
    let left = host.available(this.held);
    const enough = Math.min(needed, left + before - this.held - OWN_BLOCK);
    // The driver gives memory back as it is given something to do, once all that was submitted before is done.
    for (let i = 0; i < PATIENCE_MS && left < enough; i++) {
      this.gpu.queue.submit([]);
      host.sleep(1);
      left = host.available(this.held);
    }
    if (left >= needed) return;
    throw new OutOfMemoryError(
      `device: ${bytes} bytes were asked for, but of this machine's memory, where the adapter keeps its buffers, ` +
        `${Math.max(0, Math.floor(left))} bytes are left, of which ${RESERVE} stay free; ` +
        'use a smaller batch or model, or dispose what is no longer needed',
    );
  }

  /** Destroyed buffers are given back when the queue next gets something and ends it, which may be never. */
  private hurry(): void {
    if (this.hurrying) return;
    this.hurrying = true;
    this.soon(() => {
      this.hurrying = false;
      this.gpu.queue.submit([]);
      this.watch(this.wait(this.gpu.queue.onSubmittedWorkDone()));
    });
  }

  /** Does it after what runs now, unless the device is gone by then. */
  soon(action: () => void): void {
    queueMicrotask(() => {
      if (!this.closed) action();
    });
  }

  /** The device is about to go, and all its buffers with it. */
  close(): void {
    this.closed = true;
  }
}
