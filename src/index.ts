/**
 * Exports for every runtime: `import { Sequential } from 'tilegrad'`. In Node import `tilegrad/node`, which adds `openDevice`,
 * files, downloads and searches.
 * @module tilegrad
 */
export * from './applications/index.ts';
export * from './autograd/index.ts';
export * from './base/errors.ts';
export { type ImagesFromOptions, imagesFrom, type PictureSource } from './data/images-from.ts';
export { ImageLoader, type ImageLoaderOptions } from './data/loader.ts';
export type { PictureOptions } from './data/picture-options.ts';
export { rescale, type Scaling, scaleTo, standardization, toCategorical } from './data/scale.ts';
export { chooseClasses, choosePerClass, firstImages, pickImages } from './data/select.ts';
export { type SplitOptions, splitIndices, trainTestSplit } from './data/split.ts';
export type { Dataset, DatasetName, DatasetSource, ImageSet, LabelArray, PixelArray } from './data/types.ts';
export { Device } from './gpu/device.ts';
export type { AdapterInfo, Counters } from './gpu/info.ts';
export type { Choice, ProblemSizes } from './gpu/kernel-selection.ts';
export type { Finding, Probe, SubgroupFinding } from './gpu/probe.ts';
export type { TrackedLine, Tracking } from './gpu/track.ts';
export * from './io/index.ts';
export type { DType, Shape } from './kernels/array.ts';
export * from './nn/index.ts';
export * from './training/index.ts';
export { type Ceilings, measureCeilings } from './tuner/ceiling.ts';
export {
  type KernelProfile,
  type Profile,
  type ProfiledDispatch,
  type ProfileOptions,
  profileProgram,
  profileStep,
} from './tuner/profile.ts';
