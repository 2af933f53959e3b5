import { show } from '../check.ts';
import { ArgumentError, DisposedError, OutOfMemoryError } from '../errors.ts';
import type { Storage } from './storage.ts';

// Data on its way between the host and buffers.

/** @throws DisposedError, ArgumentError unless it is a typed array that fits into the buffer at that place */
export function checkUpload(to: Storage, data: ArrayBufferView, byteOffset: number): void {
  if (to.released) throw new DisposedError('upload: the buffer was given back, and may belong to another array');
  if (!ArrayBuffer.isView(data)) throw new ArgumentError(`upload: takes a typed array, but was given ${show(data)}`);
  const room = Math.ceil(to.bytes / 4) * 4; // buffers are made of whole words
  const fits = Number.isInteger(byteOffset) && byteOffset >= 0 && byteOffset % 4 === 0;
  if (!fits || byteOffset + Math.ceil(data.byteLength / 4) * 4 > room) {
    throw new ArgumentError(
      `upload: ${data.byteLength} bytes from byte ${show(byteOffset)} on do not fit into a buffer of ${to.bytes} bytes ` +
        '(the place must be a multiple of 4)',
    );
  }
}

/** Memory that other threads share or that can grow is copied before it is sent: Dawn ends the process over it. */
export const isOrdinary = (buffer: ArrayBufferLike): boolean =>
  Object.prototype.toString.call(buffer) === '[object ArrayBuffer]' && !(buffer as { resizable?: boolean }).resizable;

/** A copy of whole words. */
export function padToWord(data: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
  padded.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return padded;
}

/** @throws OutOfMemoryError where the host has no memory for the copy */
export function copied(mapped: ArrayBuffer, bytes: number): ArrayBuffer {
  try {
    return mapped.slice(0, bytes);
  } catch (cause) {
    throw new OutOfMemoryError(`device: the host has no memory for the ${bytes} bytes that were read back`, { cause });
  }
}

/** Gives a buffer that was read back to the GPU. */
export function unmap(buffer: GPUBuffer): void {
  try {
    if (buffer.mapState === 'mapped') buffer.unmap();
  } catch {
    // wgpu throws if the device went away, of which the reader tells
  }
}
