import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { checkOptions, formatValue } from '../base/check.ts';
import { ArgumentError, DataError, FileError } from '../base/errors.ts';
import { checkRegular } from '../base/regular-file.ts';
import { readTarGz } from './archive.ts';
import { CIFAR10_IMAGE_BYTES, CIFAR10_RECORD_BYTES, countCifar10Records, decodeCifar10 } from './cifar10.ts';
import { type DatasetInfo, datasetInfo, datasets } from './datasets.ts';
import { checkImageSize, decodeIdxImages, decodeIdxLabels, idxHeader, idxHeaderBytes } from './idx.ts';
import { type DatasetLocation, locateDataset, notFound } from './locate.ts';
import type { Dataset, DatasetName, ImageSet } from './types.ts';
import { gunzipSized } from './unpack.ts';

/**
 * Options of `loadDataset`.
 * @inline
 */
export interface LoadOptions {
  /** The folder (or CIFAR-10 archive) to load from; see `locateDataset`. No other folder is searched then. */
  dir?: string;
  /** Number of training images to keep, from the first; an integer from 1 to the size of the training set found. */
  limit?: number;
}

/** Training and test set, and the number of training images before `limit`. */
interface Loaded {
  train: ImageSet;
  test: ImageSet;
  found: number;
}

/**
 * Loads a data set into host memory: images NHWC u8, labels u8, all labels checked. Sets with fewer images than the official release are
 * legal; `source.description` has their numbers.
 * @throws {DataError} if the set is not found, or a file of it is missing, cut short, damaged or has impossible values; {ArgumentError}
 *   for a bad `limit`; {UsageError} for an unknown name; {FileError} if a file cannot be read.
 */
export async function loadDataset(name: DatasetName, options: LoadOptions = {}): Promise<Dataset> {
  checkOptions('loadDataset', options, { dir: true, limit: true });
  const info = datasetInfo(name);
  const { dir, limit } = options;
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1)) {
    throw new ArgumentError(
      `loadDataset: limit is ${formatValue(limit)}; expected an integer of at least 1, the number of training images`,
    );
  }
  const search = await locateDataset(name, { dir });
  const { location } = search;
  if (!location) throw notFound(info, search, dir);
  if (location.missing.length > 0) {
    throw new DataError(
      `${location.path} lacks ${location.missing.join(', ')} of ${name}; add the missing files, or ` +
        `run \`tilegrad data fetch ${name}\` and load the set from the folder that it prints`,
    );
  }
  const checkLimit = (size: number) => {
    if (limit !== undefined && limit > size) {
      throw new ArgumentError(
        `limit is ${limit}, but ${name} in ${location.path} has ${size} training images` +
          (location.kind === 'sample' ? ` (the bundled sample; \`tilegrad data fetch ${name}\` gets all)` : ''),
      );
    }
    return limit ?? size;
  };
  const loaded = await (info.layout === 'cifar10' ? loadCifar10 : loadIdx)(info, location, checkLimit);
  return {
    name,
    train: loaded.train,
    test: loaded.test,
    source: {
      kind: location.kind,
      path: location.path,
      description: describeSource(info, location, loaded, search.notes),
    },
  };
}

type CheckLimit = (size: number) => number;

async function loadCifar10(info: DatasetInfo, location: DatasetLocation, checkLimit: CheckLimit): Promise<Loaded> {
  // From a folder, memory holds one batch at a time. An archive can only be read in its order, so memory holds all of them.
  const archive = location.parts ? null : await readTarGz(location.path, info.parts);
  const batches = await Promise.all(
    info.parts.map(async (part) => {
      const path = location.parts?.get(part);
      const file = path ?? `${location.path}: ${part}`;
      const bytes = path ? await sizeOf(path) : archive!.get(part)!.length;
      return { part, path, file, records: countCifar10Records(bytes, file) };
    }),
  );
  const decode = async (wanted: typeof batches, size: number) => {
    const set = imageSet(info, new Uint8Array(size * CIFAR10_IMAGE_BYTES), new Uint8Array(size));
    let firstImage = 0;
    for (const { part, path, file, records } of wanted) {
      const count = Math.min(records, size - firstImage);
      if (count === 0) break;
      const bytes = path ? await readBytes(path) : archive!.get(part)!;
      archive?.delete(part);
      if (bytes.length !== records * CIFAR10_RECORD_BYTES) throw new DataError(`${file} changed while it was read`);
      decodeCifar10(bytes.subarray(0, count * CIFAR10_RECORD_BYTES), file, set, firstImage);
      firstImage += count;
    }
    return set;
  };
  const training = batches.slice(0, -1);
  const found = training.reduce((sum, batch) => sum + batch.records, 0);
  const train = await decode(training, checkLimit(found));
  const test = await decode(batches.slice(-1), batches.at(-1)!.records);
  return { train, test, found };
}

async function loadIdx(info: DatasetInfo, location: DatasetLocation, checkLimit: CheckLimit): Promise<Loaded> {
  const [trainImages, trainLabels, testImages, testLabels] = info.parts.map((part) => location.parts!.get(part)!);
  const [height, width] = info.shape;
  const readLabels = (path: string) => readIdx(path, 1);
  const readImages = (path: string) => readIdx(path, 3, (header) => checkImageSize(header, path, height, width));
  const testLabelBytes = await readLabels(testLabels!);
  const md5 = createHash('md5').update(testLabelBytes).digest('hex');
  const other = Object.values(datasets).find((set) => set.testLabelsMd5 === md5 && set.name !== info.name);
  if (other) {
    throw new DataError(
      `${location.path} holds ${other.title}, not ${info.title} (both have the same file names); name the folder of ${info.title}`,
    );
  }
  const decode = (imageBytes: Uint8Array, labelBytes: Uint8Array, imageFile: string, labelFile: string) => {
    const images = decodeIdxImages(imageBytes, imageFile, height, width);
    const labels = decodeIdxLabels(labelBytes, labelFile, info.classes.length);
    if (images.dims[0] !== labels.dims[0]) {
      throw new DataError(`${imageFile} has ${images.dims[0]} images but ${labelFile} has ${labels.dims[0]} labels`);
    }
    return { images, labels, size: labels.dims[0]! };
  };
  const train = decode(await readImages(trainImages!), await readLabels(trainLabels!), trainImages!, trainLabels!);
  const trainSize = checkLimit(train.size);
  const test = decode(await readImages(testImages!), testLabelBytes, testImages!, testLabels!);
  const pixels = height * width;
  return {
    // Copies, so neither the header nor images beyond the limit stay in memory or are visible through `.buffer`.
    train: imageSet(info, train.images.data.slice(0, trainSize * pixels), train.labels.data.slice(0, trainSize)),
    test: imageSet(info, test.images.data.slice(), test.labels.data.slice()),
    found: train.size,
  };
}

function imageSet(info: DatasetInfo, images: Uint8Array, labels: Uint8Array): ImageSet & { labels: Uint8Array } {
  return { images, labels, size: labels.length, shape: [...info.shape], classes: [...info.classes] };
}

function describeSource(info: DatasetInfo, location: DatasetLocation, loaded: Loaded, notes: string[]): string {
  const formatNumber = (n: number) => n.toLocaleString('en-US');
  const formatShare = (n: number, official: number) =>
    n === official ? formatNumber(n) : `${formatNumber(n)} of ${formatNumber(official)}`;
  const where = location.kind === 'sample' ? 'bundled sample' : `${location.kind} ${location.path}`;
  const limited =
    loaded.train.size < loaded.found
      ? `; only the first ${formatNumber(loaded.train.size)} training images are used`
      : '';
  const noteText = notes.map((note) => ` (${note})`).join('');
  return (
    `${where}: ${formatShare(loaded.found, info.train)} training and ${formatShare(loaded.test.size, info.test)} test images` +
    limited +
    noteText
  );
}

/** Bytes of an IDX file, plain or packed. @param check called with the header, before anything else is unpacked */
async function readIdx(
  path: string,
  rank: number,
  check: (header: { dims: number[] }) => void = () => {},
): Promise<Uint8Array> {
  const bytes = await readBytes(path);
  // By content, not by name: browsers may unpack a .gz and keep its name.
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  return gunzipSized(bytes, path, idxHeaderBytes(rank), (head) => {
    const header = idxHeader(head, path, rank);
    check(header);
    return header.size;
  });
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    checkRegular('read', path);
    return toUint8Array(await readFile(path));
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The bytes as a plain Uint8Array: the `slice` of a Buffer does not copy. */
function toUint8Array(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

async function sizeOf(path: string): Promise<number> {
  try {
    checkRegular('read', path);
    return (await stat(path)).size;
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
