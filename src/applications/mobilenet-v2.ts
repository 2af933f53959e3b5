import { checkOptions, formatValue, type OptionNames, readList } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Model } from '../training/model.ts';
import { OFFICIAL_ADDRESS } from './checkpoints.ts';
import { type MobileNetV2Options, mobileNetV2 as untrained } from './mobilenet-v2-layers.ts';
import { bytesOf, isBytes, pretrainedNetwork, type WeightBytes } from './pretrained.ts';

/** Options of `mobileNetV2` with weights that are given. */
export interface PretrainedMobileNetV2Options extends MobileNetV2Options {
  /**
   * The bytes of a .h5 file of Keras's or of a safetensors file, or of several that hold the weights together, such as the network
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

/** What does the same here as options of Keras's function. */
export const networkHints = {
  pooling: 'put new GlobalAveragePooling2D() behind the network, in a Sequential, which is pooling: "avg" of Keras',
};

/**
 * MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381) with the layers, names and parameter counts of Keras's
 * `applications.MobileNetV2`. It takes pixels in -1..1: `new Rescaling({ scale: 2, offset: -1 })` before it makes them of 0..1.
 *
 * Without `weights`, `build` draws them at random. With them, a promise of the model is returned; it is not built yet, carries its
 * weights and brings them into models that contain it (see `Model.setInitialWeights`):
 *
 *     const bytes = new Uint8Array(await (await fetch('mobilenet-v2-1.0-224-no-top.safetensors')).arrayBuffer());
 *     const extractor = await mobileNetV2({ inputShape: [96, 96, 3], includeTop: false, weights: bytes });
 *     extractor.trainable = false;
 *
 * In Node, `mobileNetV2` of `tilegrad/node` also takes `'imagenet'` and paths. Here it does not: whether the official server lets
 * pages of other origins read its files is not known, so a page serves them itself.
 * @throws ArgumentError for options that do not fit; ShapeError for samples that are no images; DataError for bytes that are no such
 *   file, or of another network
 */
export function mobileNetV2(
  options?: MobileNetV2Options & {
    /** Null, or left out, for weights drawn at random. */
    weights?: null | undefined;
  },
  ...surplus: never[]
): Model;
export function mobileNetV2(options: PretrainedMobileNetV2Options, ...surplus: never[]): Promise<Model>;
export function mobileNetV2(options: Options, ...surplus: never[]): Model | Promise<Model>;
export function mobileNetV2(options: Options = {}, ...surplus: never[]): Model | Promise<Model> {
  checkOptions('mobileNetV2', options, { ...networkOptionNames, weights: true }, surplus, networkHints);
  const { weights, ...network } = options;
  if (weights === undefined || weights === null) return untrained(network);
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
