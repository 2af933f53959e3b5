import type { ImageLoader } from '../data/loader.ts';
import type { Device } from '../gpu/device.ts';
import type { Model } from '../nn/model.ts';
import type { Parts } from './cli.ts';
import { runtimeGpu } from './runtime.ts';

/** The real parts of the command line, each loaded when a command first asks for it. */
export const parts: Parts = {
  async catalogue() {
    const { courseworks, experiments } = await import('../../experiments/index.ts');
    return { courseworks, experiments };
  },
  async engine() {
    const { ImageLoader, loadTuning, openDevice, problemsOf, profileStep, tune } = await import('../node.ts');
    const { findCheckpoint } = await import('../applications/imagenet.ts');
    const { loadDataset } = await import('../data/files.ts');
    const { trainSmallNetwork } = await import('./small-network.ts');
    const gpu = runtimeGpu();
    return {
      openDevice: (options: { fineTimestamps?: boolean } = {}) => openDevice(gpu === undefined ? options : { gpu }),
      createLoader: (device, set, options) => new ImageLoader(device as Device, set, options),
      loadDataset,
      findCheckpoint,
      profileStep: (model, data, options) => profileStep(model as Model, data as ImageLoader, options),
      loadTuning: (device, warn) => loadTuning(device as Device, { warn }),
      problemsOf: (model, batchSize) => problemsOf(model as Model, batchSize),
      tune: (device, problems, options) => tune(device as Device, problems, options),
      trainSmallNetwork: (device) => trainSmallNetwork(device as Device),
    };
  },
  async data() {
    const { datasets } = await import('../data/datasets.ts');
    const { fetchDataset } = await import('../data/fetch.ts');
    const { datasetStatus } = await import('../data/locate.ts');
    const { fetchWeights, weightsStatus } = await import('../applications/imagenet.ts');
    return { datasets, datasetStatus, fetchDataset, fetchWeights, weightsStatus };
  },
};
