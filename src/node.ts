/**
 * Exports for Node: everything of `tilegrad` (documented there), and what needs Node: `openDevice`, files, downloads and searches.
 * @module tilegrad/node
 */
export { mobileNetV2, type PretrainedMobileNetV2Options } from './applications/node.ts';
export { datasets } from './data/datasets.ts';
export { type FetchOptions, type FetchResult, fetchDataset } from './data/fetch.ts';
export { loadDataset } from './data/files.ts';
export { type FolderImages, type ImageFolderOptions, imageFolder } from './data/image-folder.ts';
export { datasetStatus } from './data/locate.ts';
export { openDevice } from './gpu/dawn.ts';
export * from './index.ts';
export * from './io/node.ts';
export { chromeTrace } from './report/trace.ts';
export * from './search/index.ts';
export type { Problem } from './tuner/bench.ts';
export { loadTuning, type Tuning, type TuningOptions, tune } from './tuner/load.ts';
export { type NotTuned, problemsOf, type SessionOptions, type Tuned } from './tuner/session.ts';
