import { checkOptions, formatValue, type OptionNames, readList } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Model } from '../training/model.ts';
import { OFFICIAL_ADDRESS } from './checkpoints.ts';
import { mobileNetV2 as buildMobileNetV2, type MobileNetV2Options } from './mobilenet-v2-layers.ts';
import { bytesOf, isBytes, pretrainedNetwork, type WeightBytes } from './pretrained.ts';

/** Options of `mobileNetV2` with given weights. */
export interface PretrainedMobileNetV2Options extends MobileNetV2Options {
  /**
   * The bytes of one of Keras's .h5 files or of a safetensors file. A list has files that together hold the weights, such as the network
   * without its head, and the head.
   */
  weights: WeightBytes | readonly WeightBytes[];
}

/** @inline */
type Options = MobileNetV2Options & {
  /** Bytes of the weights, as in `PretrainedMobileNetV2Options`; null for weights drawn at random. */
  weights?: PretrainedMobileNetV2Options['weights'] | null | undefined;
};

export const networkOptionNames: OptionNames<MobileNetV2Options> = {
  inputShape: true,
  alpha: true,
  includeTop: true,
  classes: true,
  name: true,
};

/** Replacements for options of Keras's function. */
export const networkHints = {
  pooling: 'put new GlobalAveragePooling2D() after the network in a Sequential, for pooling: "avg" of Keras',
};

/**
 * MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381) with the layers, names and parameter counts of Keras's
 * `applications.MobileNetV2`. It takes pixels in -1..1: for pixels in 0..1, put `new Rescaling({ scale: 2, offset: -1 })` before it.
 *
 * Without `weights`, `build` draws them at random. With `weights`, the function returns a promise of a model that is not built yet. The
 * model holds its initial weights, also as part of other models (see `Model.setInitialWeights`):
 *
 *     const bytes = new Uint8Array(await (await fetch('mobilenet-v2-1.0-224-no-top.safetensors')).arrayBuffer());
 *     const extractor = await mobileNetV2({ inputShape: [96, 96, 3], includeTop: false, weights: bytes });
 *     extractor.trainable = false;
 *
 * In Node, `mobileNetV2` of `tilegrad/node` also takes `'imagenet'` and paths. In browsers, serve the files with the page: the official
 * server may not let pages of other origins read them.
 * @throws ArgumentError for impossible options; ShapeError for samples that are not images; DataError for bytes that are not such a
 *   file, or are of another network
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
  checkOptions('mobileNetV2', options, { ...networkOptionNames, weights: true }, surplus, networkHints);
  const { weights, ...network } = options;
  if (weights === undefined || weights === null) return buildMobileNetV2(network);
  return loadFromBytes(network, weights);
}

async function loadFromBytes(
  network: MobileNetV2Options,
  weights: PretrainedMobileNetV2Options['weights'],
): Promise<Model> {
  const list = readList('mobileNetV2: weights', weights) ?? [weights];
  if (list.length === 0 || !list.every(isBytes)) {
    throw new ArgumentError(
      `mobileNetV2: weights must be the bytes of a file, a Uint8Array or an ArrayBuffer, but is ${formatValue(weights)}. In a browser, serve ` +
        `one of ${OFFICIAL_ADDRESS} with the page and fetch it; in Node, import mobileNetV2 from 'tilegrad/node', which takes ` +
        "'imagenet' and paths",
    );
  }
  const name = (i: number) => (list.length > 1 ? `weights[${i}]` : 'weights');
  return pretrainedNetwork(
    network,
    list.map((bytes, i) => ({ name: name(i), bytes: bytesOf(bytes) })),
  );
}
