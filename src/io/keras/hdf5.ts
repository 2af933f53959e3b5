import { DataError, TilegradError } from '../../base/errors.ts';
import { packageError } from '../../base/import-package.ts';
import { type Shape, showShape, sizeOf } from '../../kernels/array.ts';
import { dataOf, type StoredType } from '../nd-array.ts';
import { hasValidHeaps, hasWideSizes } from './global-heap.ts';
import { isHdf5, isSafetensors } from './signature.ts';

/** The part of h5wasm, the HDF5 library compiled to WebAssembly, that is used. Object ids are BigInts, negative if there is no object. */
interface Library {
  FS: {
    writeFile(path: string, bytes: Uint8Array, options: { canOwn: boolean }): void;
    unlink(path: string): void;
    getStream(number: number): { tty?: { ops: { put_char(tty: unknown, code: number): void } } } | null;
    streams: readonly ({ path?: string } | null | undefined)[];
    close(stream: object): void;
  };
  readonly HEAPU8: Uint8Array;
  readonly H5F_ACC_RDONLY: number;
  readonly H5G_GROUP: number;
  readonly H5G_DATASET: number;
  _malloc(bytes: number): number;
  _free(address: number): void;
  UTF8ToString(address: number): string;
  open(path: string, mode: number, trackOrder: boolean, low: number, high: number): bigint;
  close_file(id: bigint): number;
  get_type(id: bigint, path: string): number;
  get_names(id: bigint, path: string, recursive: boolean): string[];
  get_attribute_names(id: bigint, path: string): string[];
  get_attribute_metadata(id: bigint, path: string, name: string): Metadata;
  get_attribute_data(id: bigint, path: string, name: string, address: bigint): number;
  get_dataset_metadata(id: bigint, path: string): Metadata;
  get_dataset_data(id: bigint, path: string, count: null, offset: null, strides: null, address: bigint): number;
  reclaim_vlen_memory(id: bigint, path: string, name: string, address: bigint): number;
}

/** Type and shape of an attribute or a data set; `shape` is null for an empty one. */
interface Metadata {
  /** HDF5's class of types, as in `TYPES`. */
  type: number;
  /** Bytes of an element; for a text of variable length, those of its address. */
  size: number;
  /** Number of elements. */
  total_size: number;
  shape: number[] | null;
  /** Whether an element is the address of a text. */
  vlen: boolean;
}

const FLOAT = 1;
const TEXT = 3;
const OPAQUE = 5;

/** Limit of the bytes of a text. A model's configuration has some hundred thousand. */
export const MAX_TEXT_BYTES = 2 ** 26;
/** Limit of the bytes of weights that are read from a file, because the library has a heap of 2 GiB. */
const MAX_DATA_BYTES = 2 ** 30;
/** Maximum number of bytes per byte of a file, because data may be compressed by deflate. */
const MAX_DEFLATE_RATIO = 1032;

/** The library's standard error of the current `readHdf5`, which contains the reasons of failures. */
let errorOutput = '';
let library: Promise<{ loaded: Library; memory: Uint8Array }> | null = null;

/** Loads the library. `memory` is a copy of its memory before it reads anything. */
async function loadLibrary(): Promise<{ loaded: Library; memory: Uint8Array }> {
  const loaded = await importHdf5();
  const ops = loaded.FS.getStream(2)?.tty?.ops;
  // Otherwise each failure would print the library's stack of errors to the terminal.
  if (ops) {
    ops.put_char = (_, code) => {
      if (errorOutput.length < 100_000) errorOutput += String.fromCharCode(code);
    };
  }
  return { loaded, memory: loaded.HEAPU8.slice() };
}

/** The only import in a browser's bundle that needs a package. Bundlers leave it out if the package is not installed. */
async function importHdf5(): Promise<Library> {
  try {
    return (await (
      await import('h5wasm')
    ).ready) as unknown as Library;
  } catch (cause) {
    throw packageError('h5wasm', 'reading HDF5 and Keras files', cause);
  }
}

/** Returns the innermost reason of the library's error, such as `bad object header version number`. */
function lastErrorText(): string | undefined {
  return [...errorOutput.matchAll(/in H5\w+\(\): (.*)/g)].at(-1)?.[1];
}

/** An open HDF5 file. Paths begin with a slash. Failures throw errors that `readHdf5` converts to a DataError. */
export class Hdf5File {
  private bytesRead = 0;
  /** Limit of the bytes of weights. */
  private readonly maxBytes: number;

  constructor(
    private readonly library: Library,
    private readonly id: bigint,
    /** The file's name, for messages. */
    readonly name: string,
    fileLength: number,
  ) {
    this.maxBytes = Math.min(MAX_DATA_BYTES, MAX_DEFLATE_RATIO * fileLength);
  }

  isGroup(path: string): boolean {
    return this.library.get_type(this.id, path) === this.library.H5G_GROUP;
  }

  isDataset(path: string): boolean {
    return this.library.get_type(this.id, path) === this.library.H5G_DATASET;
  }

  /** Returns the names of a group's members. */
  listNames(path: string): string[] {
    return this.library.get_names(this.id, path, false);
  }

  /** Returns the texts of an attribute; null if it does not exist. */
  readTexts(path: string, attribute: string): string[] | null {
    const { library, id } = this;
    if (!library.get_attribute_names(id, path).includes(attribute)) return null;
    const metadata = library.get_attribute_metadata(id, path, attribute);
    const { type, size, vlen } = metadata;
    if (metadata.shape === null || metadata.total_size === 0) return [];
    if (type !== TEXT) {
      throw new DataError(`${this.name}: attribute ${attribute} of ${path} is not text`);
    }
    const length = size * metadata.total_size;
    if (length > MAX_TEXT_BYTES) {
      throw new DataError(
        `${this.name}: attribute ${attribute} of ${path} has ${length} bytes, more than any of Keras's`,
      );
    }
    return this.withMemory(length, (address) => {
      this.check(library.get_attribute_data(id, path, attribute, BigInt(address)));
      const bytes = library.HEAPU8.slice(address, address + length);
      if (!vlen)
        return Array.from({ length: metadata.total_size }, (_, i) => textOf(bytes.subarray(i * size, (i + 1) * size)));
      const texts = Array.from(new Uint32Array(bytes.buffer), (text) => library.UTF8ToString(text));
      library.reclaim_vlen_memory(id, path, attribute, BigInt(address));
      return texts;
    });
  }

  /** Returns the shape of a data set. @throws DataError if it is empty */
  readShape(path: string): Shape {
    const { shape } = this.library.get_dataset_metadata(this.id, path);
    if (shape === null) throw new DataError(`${this.name}: ${path} is empty`);
    return shape;
  }

  /** Returns the elements of a data set of 16, 32 or 64-bit floats. @throws DataError for other types, and above the limit of bytes */
  readFloats(path: string): Float32Array<ArrayBuffer> {
    const { library, id } = this;
    const shape = this.readShape(path);
    const { type, size } = library.get_dataset_metadata(id, path);
    const isBfloat16 = type === OPAQUE && size === 2 && this.readTexts(path, 'dtype')?.[0] === 'bfloat16'; // Keras 3 writes it so
    const stored = isBfloat16 ? 'bf16' : type === FLOAT ? FLOATS[size] : undefined;
    if (!stored) throw new DataError(`${this.name}: ${path} holds no floats of 16, 32 or 64 bits`);
    const length = size * sizeOf(shape);
    this.bytesRead += length;
    if (this.bytesRead > this.maxBytes) {
      throw new DataError(
        `${this.name}: with ${path} ${showShape(shape)} it states more weights than the ${this.maxBytes.toLocaleString('en-US')} bytes that ` +
          'are read of a file of its size',
      );
    }
    if (length === 0) return new Float32Array(0);
    const bytes = this.withMemory(length, (address) => {
      this.check(library.get_dataset_data(id, path, null, null, null, BigInt(address)));
      return library.HEAPU8.slice(address, address + length);
    });
    const { data } = dataOf(bytes, stored);
    return data instanceof Float32Array ? (data as Float32Array<ArrayBuffer>) : Float32Array.from(data as Float64Array);
  }

  /** Calls `use` with zeroed memory of the library. */
  private withMemory<T>(length: number, use: (address: number) => T): T {
    const { library } = this;
    const address = library._malloc(length);
    if (address === 0) throw new DataError(`${this.name}: ${length} bytes of it do not fit into the memory`);
    try {
      library.HEAPU8.fill(0, address, address + length);
      return use(address);
    } finally {
      library._free(address);
    }
  }

  private check(status: number): void {
    if (status < 0) throw new Error('it cannot be read');
  }
}

const FLOATS: Record<number, StoredType> = { 2: 'f16', 4: 'f32', 8: 'f64' };

/** A text of fixed length, which ends at the first zero. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/**
 * Opens an HDF5 file and returns the result of `read`.
 * @param name name of the file, for messages
 * @throws DataError for bytes that are not an HDF5 file, are cut short or damaged; MissingPackageError if h5wasm is not installed
 */
export async function readHdf5<T>(bytes: Uint8Array, name: string, read: (file: Hdf5File) => T): Promise<T> {
  if (!isHdf5(bytes)) throw new DataError(`${name} is not an HDF5 file${describeFormat(bytes)}`);
  if (!hasWideSizes(bytes) || !hasValidHeaps(bytes)) {
    throw new DataError(`${name} ${describeDamage('its sizes or texts are invalid', bytes)}`);
  }
  library ??= loadLibrary();
  const { loaded, memory } = await library;
  errorOutput = '';
  try {
    loaded.FS.writeFile(PATH, bytes, { canOwn: true }); // not copied: it is only read
    const id = loaded.open(PATH, loaded.H5F_ACC_RDONLY, false, -1, -1);
    if (id < 0n) throw new Error('it cannot be opened');
    return read(new Hdf5File(loaded, id, name, bytes.length));
  } catch (cause) {
    if (cause instanceof TilegradError) throw cause;
    throw new DataError(
      `${name} ${describeDamage(lastErrorText() ?? String((cause as Error)?.message ?? cause), bytes)}`,
      {
        cause,
      },
    );
  } finally {
    releaseMemory(loaded, memory);
  }
}

/** Describes bytes that are not an HDF5 file, and which function reads them. */
function describeFormat(bytes: Uint8Array): string {
  if (isSafetensors(bytes)) {
    return (
      ', but begins as a safetensors file does: loadModel (decodeModel for bytes) reads a model that saveModel wrote, and ' +
      'loadWeights (decodeWeights for bytes) the weights alone'
    );
  }
  const problem = bytes.length === 0 ? 'it is empty' : 'it does not begin as one does';
  return `: ${problem}; what can be read are .keras files of Keras 3, and .h5 files`;
}

/** Path of the file in the library's own file system. */
const PATH = '/tilegrad.h5';

/**
 * Resets the library to the state before it read anything. With a damaged file, it may have written anywhere in its memory or have stopped
 * within a call, so nothing is closed except the streams, which are outside its memory.
 */
function releaseMemory({ FS, HEAPU8 }: Library, memory: Uint8Array): void {
  for (const stream of FS.streams) if (stream?.path === PATH) FS.close(stream);
  FS.unlink(PATH);
  HEAPU8.set(memory); // memory that was allocated since then counts as free again
}

function describeDamage(reason: string, bytes: Uint8Array): string {
  const [, end] = /truncated file: .*stored_eof = (\d+)/.exec(errorOutput) ?? [];
  if (end) return `is cut short: it has ${bytes.length} of ${end} bytes; fetch it again`;
  return `is damaged, or not an HDF5 file of Keras (${reason}); fetch it again`;
}
