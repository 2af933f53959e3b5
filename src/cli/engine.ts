import type { Checkpoint } from '../applications/checkpoints.ts';
import type { DownloadProgress } from '../data/download.ts';
import type { ImageLoaderOptions } from '../data/loader.ts';
import type { Dataset, DatasetName, ImageSet } from '../data/types.ts';
import type { AdapterInfo, Counters } from '../gpu/info.ts';
import type { Probe } from '../gpu/probe.ts';
import type { DrawnModel } from '../report/model-layers.ts';
import type { History } from '../training/callbacks/logs.ts';
import type { Callback } from '../training/model.ts';
import type { Problem } from '../tuner/bench.ts';
import type { Tuning } from '../tuner/load.ts';
import type { Profile } from '../tuner/profile.ts';
import type { SessionOptions, Tuned } from '../tuner/session.ts';

// The part of the engine that the commands use, so that tests can replace it, and `--help` and `list` never load it.

export interface EngineDevice {
  info: AdapterInfo;
  probe: Probe;
  counters: Counters;
  dispose(): void;
}

/** Images of one set on the device. */
export interface EngineLoader {
  readonly size: number;
  dispose(): void;
}

export interface EngineModel extends DrawnModel {
  build(device: EngineDevice, options: { seed: number; replicas?: number }): unknown;
  compile(options: { optimizer: unknown; loss: unknown; metrics?: readonly unknown[] }): unknown;
  summary(): string;
  countParams(): number;
  readonly outputShape: readonly number[];
  /** `data` and `validationData` are `EngineLoader`s; a real model accepts more. */
  fit(
    data: unknown,
    options?: {
      epochs?: number;
      batchSize?: number;
      validationData?: unknown;
      shuffle?: boolean;
      seed?: number;
      callbacks?: readonly Callback[];
      signal?: AbortSignal;
    },
  ): Promise<History>;
  /** Returns the metrics of each replica. */
  evaluateReplicas(
    data: unknown,
    options: { batchSize?: number; signal?: AbortSignal },
  ): Promise<{ loss: number; accuracy?: number }[]>;
  dispose(): void;
}

/** Selection of kernels by measurement. */
export interface EngineTuner {
  /** Loads the measurements of this adapter; `warn` is called if the cache is unusable. */
  loadTuning(device: EngineDevice, warn: (message: string) => void): Promise<Tuning>;
  /** Returns the problems for which a training step of a built and compiled model selects kernels. */
  problemsOf(model: EngineModel, batchSize: number): Problem[];
  /** Measures, and saves the results in the cache. */
  tune(device: EngineDevice, problems: readonly Problem[], options: SessionOptions): Promise<Tuned[]>;
}

export interface Engine extends EngineTuner {
  openDevice(options?: { fineTimestamps?: boolean }): Promise<EngineDevice>;
  createLoader(device: EngineDevice, set: ImageSet, options?: ImageLoaderOptions): EngineLoader;
  /** Profiles a training step without changing the model. */
  profileStep(model: EngineModel, data: EngineLoader, options: { batchSize: number }): Promise<Profile>;
  loadDataset(name: DatasetName, options: { dir?: string; limit?: number }): Promise<Dataset>;
  /** Returns the paths of the files of published weights, and downloads missing ones. */
  findCheckpoint(
    checkpoint: Checkpoint,
    options: { signal: AbortSignal; onProgress(progress: DownloadProgress): void },
  ): Promise<string[]>;
}
