import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AdapterError } from '../base/errors.ts';
import { packageRoot } from '../data/folders.ts';
import type { ImageLoader } from '../data/loader.ts';
import type { Device } from '../gpu/device.ts';
import type { Model } from '../training/model.ts';
import type { DataTools } from './data.ts';
import type { DoctorEngine } from './doctor.ts';
import type { Engine } from './engine.ts';
import type { Catalogue } from './experiment.ts';
import { runtimeGpu } from './runtime.ts';
import type { SetupTools } from './setup.ts';

/** Modules that take long to load, each loaded by the commands that need it. Tests replace them. */
export interface LazyModules {
  catalogue(): Promise<Catalogue>;
  engine(): Promise<Engine & DoctorEngine>;
  data(): Promise<DataTools>;
  setup(): Promise<SetupTools>;
}

/** The modules of the real command line. */
export const lazyModules: LazyModules = {
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
  async setup() {
    // Files of the package that are not bundled: they start a probe that must be a file.
    const load = (name: string) => import(pathToFileURL(join(packageRoot()!, 'scripts/setup', name)).href);
    const { ensureAdapter } = await load('driver.mjs');
    const { SetupError } = await load('messages.mjs');
    return {
      ensureAdapter() {
        try {
          return ensureAdapter();
        } catch (error) {
          throw error instanceof SetupError ? new AdapterError((error as Error).message, { cause: error }) : error;
        }
      },
    };
  },
};
