import { existsSync } from 'node:fs';
import { checkOptions, checkText, formatValue, nearName, readList } from '../base/check.ts';
import { ArgumentError, FileError } from '../base/errors.ts';
import type { FetchOptions } from '../data/fetch.ts';
import { readBytes } from '../io/files.ts';
import type { Model } from '../training/model.ts';
import { type CheckpointRows, checkpointOf, headFileFor } from './checkpoints.ts';
import { findCheckpoint } from './imagenet.ts';
import { networkHints, networkOptionNames } from './mobilenet-v2.ts';
import { mobileNetV2 as buildMobileNetV2, type MobileNetV2Options } from './mobilenet-v2-layers.ts';
import {
  assignPretrained,
  bytesOf,
  causeOf,
  isBytes,
  pretrainedNetwork,
  type WeightBytes,
  type WeightFile,
} from './pretrained.ts';

/** @inline */
type Weights = string | WeightBytes | readonly (string | WeightBytes)[];

/** Options of `mobileNetV2` with weights. */
export interface PretrainedMobileNetV2Options extends MobileNetV2Options {
  /**
   * `'imagenet'`; or the path or bytes of one of Keras's .h5 files or of a safetensors file; or a list of files that together hold the
   * weights, such as the network without its head, and the head. For a path `...-no-top.safetensors`, the head is read from
   * `...-top.safetensors` in the same folder if that exists.
   */
  weights: Weights;
  /**
   * With `'imagenet'`: which of Keras's checkpoints, by the rows of the images it was trained on. Default, as in Keras: the size in
   * `inputShape` if that is square and published, else 224.
   */
  rows?: CheckpointRows;
  /** With `'imagenet'`: options of the download, such as `onProgress`, `signal`, and `dir`, a folder to use instead of the cache. */
  download?: FetchOptions;
}

/** @inline */
type Options = Omit<PretrainedMobileNetV2Options, 'weights'> & {
  /** As in `PretrainedMobileNetV2Options`; null for weights drawn at random. */
  weights?: Weights | null | undefined;
};

/**
 * MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381) with the layers, names and parameter counts of Keras's
 * `applications.MobileNetV2`. It takes pixels in -1..1: for pixels in 0..1, put `new Rescaling({ scale: 2, offset: -1 })` before it.
 *
 * Without `weights`, `build` draws them at random. With `weights`, the function returns a promise of a model that is not built yet. The
 * model holds its initial weights, also as part of other models (see `Model.setInitialWeights`):
 *
 *     const extractor = await mobileNetV2({ inputShape: [96, 96, 3], includeTop: false, weights: 'imagenet' });
 *     extractor.trainable = false;
 *
 * Paths and bytes are of one of Keras's .h5 files or of a safetensors file, such as `saveWeights` writes.
 * `'imagenet'` takes a file from the folder that the environment variable `TILEGRAD_WEIGHTS` names (Keras's file, or
 * `mobilenet-v2-1.0-224-no-top.safetensors`). Otherwise, it takes Keras's file from the cache folder, and downloads it if it is missing.
 * @throws ArgumentError for impossible options; ShapeError for samples that are not images; FileError for a file that cannot be read;
 *   DataError for a file of another format or network, and for weights that cannot be downloaded; AbortedError
 */
export function mobileNetV2(
  options?: MobileNetV2Options & {
    /** Null or undefined for weights drawn at random. */
    weights?: null | undefined;
  },
  ...surplus: never[]
): Model;
export function mobileNetV2(options: PretrainedMobileNetV2Options, ...surplus: never[]): Promise<Model>;
export function mobileNetV2(options: Options, ...surplus: never[]): Model | Promise<Model>;
export function mobileNetV2(options: Options = {}, ...surplus: never[]): Model | Promise<Model> {
  const names = { ...networkOptionNames, weights: true, rows: true, download: true };
  checkOptions('mobileNetV2', options, names, surplus, networkHints);
  const { weights, rows, download, ...network } = options;
  if (weights !== 'imagenet') checkImagenetOptions({ rows, download }, weights);
  if (weights === undefined || weights === null) return buildMobileNetV2(network);
  return loadPretrained(network, weights, { rows, download });
}

/** @throws ArgumentError for options that need `weights: 'imagenet'` */
function checkImagenetOptions(options: Pick<Options, 'rows' | 'download'>, weights: unknown): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const advice = isNearlyImagenet(weights) ? "did you mean 'imagenet'?" : `leave ${name} out`;
    throw new ArgumentError(
      `mobileNetV2: ${name} needs weights: 'imagenet', but weights is ${formatValue(weights)}; ${advice}`,
    );
  }
}

async function loadPretrained(
  network: MobileNetV2Options,
  weights: Weights,
  { rows, download }: Pick<Options, 'rows' | 'download'>,
): Promise<Model> {
  const { alpha = 1, includeTop = true, classes = 1000 } = network;
  if (weights !== 'imagenet') return pretrainedNetwork(network, readFiles(weights, includeTop));
  const model = buildMobileNetV2(network);
  const checkpoint = checkpointOf({ alpha, includeTop, classes, inputShape: model.inputShape }, rows);
  const paths = await findCheckpoint(checkpoint, download);
  await assignPretrained(model, paths.map(readFile));
  return model;
}

/** Reads the files of `weights`, and the head's file if it is found. @throws ArgumentError, FileError */
function readFiles(weights: Weights, includeTop: boolean): WeightFile[] {
  const list = readList('mobileNetV2: weights', weights) ?? [weights];
  if (list.length === 0 || !list.every((one) => typeof one === 'string' || isBytes(one))) {
    throw new ArgumentError(
      `mobileNetV2: weights must be 'imagenet', the path or the bytes of a file, a list of those, or null, but is ${formatValue(weights)}`,
    );
  }
  const files = (list as (string | WeightBytes)[]).map((one, i): WeightFile => {
    if (typeof one === 'string') return readFile(one);
    return { name: list.length > 1 ? `weights[${i}]` : 'weights', bytes: bytesOf(one) };
  });
  const head = includeTop && list.length === 1 && typeof list[0] === 'string' ? headFileFor(list[0]) : null;
  return head && existsSync(head) ? [...files, readFile(head)] : files;
}

/** @throws FileError, with a suggestion of what was meant */
function readFile(path: string): WeightFile {
  checkText('mobileNetV2: weights', path);
  try {
    return { name: path, bytes: readBytes(path) };
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    throw new FileError(`mobileNetV2: weights: ${cause.message}${adviceFor(path, cause)}`, causeOf(cause));
  }
}

const isNearlyImagenet = (given: unknown) => typeof given === 'string' && nearName(given, ['imagenet']) !== undefined;

function adviceFor(path: string, { cause }: FileError): string {
  if (isNearlyImagenet(path)) return "; did you mean 'imagenet'?";
  if ((cause as NodeJS.ErrnoException | undefined)?.code !== 'EISDIR') return '';
  return "; give the path of a file in it, or set TILEGRAD_WEIGHTS to the folder and give weights: 'imagenet'";
}
