import { formatValue } from '../base/check.ts';
import { ArgumentError, DeviceLostError, DisposedError, GpuError, OutOfMemoryError } from '../base/errors.ts';
import { type Binding, bufferOf } from './command.ts';
import type { Failures } from './failures.ts';
import type { Counters } from './info.ts';
import { failureOf, type Memory } from './memory.ts';
import type { QueueWaits } from './queue-waits.ts';
import type { Recorder } from './recorder.ts';
import { type BufferPool, Storage } from './storage.ts';

/** The parts of a device that transfers use. */
interface TransferParts {
  recorder: Recorder;
  memory: Memory;
  counters: Counters;
  failures: Failures;
  waits: QueueWaits;
  /** Buffers that the host can map. */
  stagingPool: BufferPool;
  /** Waits until the adapter has answered everything. @throws the first error */
  throwPendingErrors(): Promise<void>;
}

/** Copies between host and buffers, and between buffers. See the methods of the same names in `Device`. */
export class Transfers {
  constructor(
    private readonly queue: GPUQueue,
    private readonly parts: TransferParts,
  ) {}

  upload(to: Storage, data: ArrayBufferView<ArrayBuffer>, byteOffset: number): void {
    const { recorder, memory, counters, failures } = this.parts;
    checkUpload(to, data, byteOffset);
    checkUsable(failures, to);
    if (recorder.recording) {
      throw new GpuError('host data cannot be uploaded inside a recorded step; make the tensor before the step');
    }
    memory.requireHostBytes(data.byteLength); // the queue makes a copy in host memory
    recorder.flush();
    const padded = data.byteLength % 4 === 0 && isOrdinary(data.buffer) ? data : padToWord(data);
    this.queue.writeBuffer(to.buffer, to.offset + byteOffset, padded);
    counters.bytesUploaded += padded.byteLength;
    to.countWrite();
    if (byteOffset === 0) to.remember(padded, to.writes);
  }

  copy(from: Storage, to: Storage): void {
    if (to.bytes < from.bytes) {
      throw new ArgumentError(`copy: ${from.bytes} bytes do not fit into a buffer of ${to.bytes}`);
    }
    if (this.parts.recorder.recording) throw new GpuError('buffers cannot be copied inside a recorded step');
    this.copyRange(from, to, Math.ceil(from.bytes / 4) * 4);
  }

  copyAfterWrite(from: GPUBuffer, fromOffset: number, to: GPUBuffer, bytes: number, write: () => void): void {
    const { recorder, failures } = this.parts;
    checkUsable(failures, from);
    checkUsable(failures, to);
    recorder.copy(from, fromOffset, to, 0, bytes);
    recorder.noteEncoded({ from, to });
    recorder.beforeSubmit(write);
  }

  async read(from: Storage, bytes = from instanceof Storage ? from.bytes : 0): Promise<ArrayBuffer> {
    const { recorder, counters, failures, waits, stagingPool, throwPendingErrors } = this.parts;
    checkRead(from, bytes);
    if (recorder.recording) throw new GpuError('nothing can be read back inside a recorded step');
    checkUsable(failures, from);
    if (bytes === 0) return new ArrayBuffer(0);
    const size = Math.ceil(bytes / 4) * 4;
    const { writes } = from;
    const staging = stagingPool.acquire(size);
    this.copyRange(from, staging, size);
    recorder.flush();
    let copy: ArrayBuffer;
    try {
      await waits.until(staging.buffer.mapAsync(GPUMapMode.READ, 0, size));
      copy = copied(staging.buffer.getMappedRange(0, size), bytes);
    } catch (cause) {
      await throwPendingErrors();
      checkUsable(failures, staging);
      if (cause instanceof OutOfMemoryError) throw cause;
      throw new DeviceLostError('a read-back did not complete because the device went away', { cause });
    } finally {
      unmap(staging.buffer);
      staging.release();
    }
    counters.readBacks++;
    counters.bytesReadBack += bytes;
    await throwPendingErrors();
    checkUsable(failures, staging);
    from.remember(new Uint8Array(copy), writes);
    return copy;
  }

  private copyRange(from: Storage, to: Storage, bytes: number): void {
    const { recorder, failures } = this.parts;
    checkUsable(failures, from);
    checkUsable(failures, to);
    recorder.copy(from.buffer, from.offset, to.buffer, to.offset, bytes);
    recorder.noteEncoded({ from, to });
    to.countWrite();
  }
}

/** @throws OutOfMemoryError if the adapter had no memory for the binding; ShaderError if its contents were not computed */
export function checkUsable(failures: Failures, binding: Binding): void {
  if (!failures.hasRefused) return;
  const cause = failureOf(bufferOf(binding)) ?? (binding instanceof Storage ? binding.loss : null);
  if (cause) throw cause;
}

/** @throws ArgumentError unless `from` is a storage with at least `bytes` bytes */
function checkRead(from: Storage, bytes: number): void {
  if (!(from instanceof Storage)) {
    throw new ArgumentError(
      `read: from must be the storage of an array, such as tensor.array.storage, but is ${formatValue(from)}`,
    );
  }
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > from.bytes) {
    throw new ArgumentError(`read: a buffer of ${from.bytes} bytes has no first ${formatValue(bytes)} bytes`);
  }
}

/** @throws DisposedError; ArgumentError unless `data` is a typed array that fits into the buffer at that offset */
function checkUpload(to: Storage, data: ArrayBufferView, byteOffset: number): void {
  if (to.released) throw new DisposedError('upload: the buffer was released, and may belong to another array');
  if (!ArrayBuffer.isView(data))
    throw new ArgumentError(`upload: data must be a typed array, but is ${formatValue(data)}`);
  const room = Math.ceil(to.bytes / 4) * 4; // buffers are made of whole words
  const fits = Number.isInteger(byteOffset) && byteOffset >= 0 && byteOffset % 4 === 0;
  if (!fits || byteOffset + Math.ceil(data.byteLength / 4) * 4 > room) {
    throw new ArgumentError(
      `upload: ${data.byteLength} bytes from byte ${formatValue(byteOffset)} on do not fit into a buffer of ${to.bytes} bytes ` +
        '(the offset must be a multiple of 4)',
    );
  }
}

/** Whether memory is neither shared between threads nor resizable. Other memory is copied first, because Dawn ends the process for it. */
const isOrdinary = (buffer: ArrayBufferLike): boolean =>
  Object.prototype.toString.call(buffer) === '[object ArrayBuffer]' && !(buffer as { resizable?: boolean }).resizable;

/** A copy, padded with zeros to a multiple of 4 bytes. */
function padToWord(data: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
  padded.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return padded;
}

/** Copies mapped memory. @throws OutOfMemoryError if the host has no memory for the copy */
function copied(mapped: ArrayBuffer, bytes: number): ArrayBuffer {
  try {
    return mapped.slice(0, bytes);
  } catch (cause) {
    throw new OutOfMemoryError(`device: the host has no memory for the ${bytes} bytes that were read back`, { cause });
  }
}

/** Unmaps a staging buffer, so that the GPU can use it again. */
function unmap(buffer: GPUBuffer): void {
  try {
    if (buffer.mapState === 'mapped') buffer.unmap();
  } catch {
    // wgpu throws if the device was lost; the caller reports that
  }
}
