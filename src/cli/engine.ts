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

// What the commands need of the engine, and no more: tests stand in for it, and `--help` and `list` never load it.

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
  /** Both take an `EngineLoader`, and a real model much else. */
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
  /** The figures of each replica. */
  evaluateReplicas(
    data: unknown,
    options: { batchSize?: number; signal?: AbortSignal },
  ): Promise<{ loss: number; accuracy?: number }[]>;
  dispose(): void;
}

/** The choice of kernels by measurement. */
export interface EngineTuner {
  /** Takes over what was measured on this adapter; `warn` is told of a cache of no use. */
  loadTuning(device: EngineDevice, warn: (message: string) => void): Promise<Tuning>;
  /** What a training step of a built and compiled model has to choose kernels for. */
  problemsOf(model: EngineModel, batchSize: number): Problem[];
  /** Measures, and keeps what it finds in the cache. */
  tune(device: EngineDevice, problems: readonly Problem[], options: SessionOptions): Promise<Tuned[]>;
}

export interface Engine extends EngineTuner {
  openDevice(options?: { fineTimestamps?: boolean }): Promise<EngineDevice>;
  createLoader(device: EngineDevice, set: ImageSet, options?: ImageLoaderOptions): EngineLoader;
  /** Where the time of a training step goes; leaves the model as it is. */
  profileStep(model: EngineModel, data: EngineLoader, options: { batchSize: number }): Promise<Profile>;
  loadDataset(name: DatasetName, options: { dir?: string; limit?: number }): Promise<Dataset>;
  /** Paths of the files of published weights, downloaded where they are not there. */
  findCheckpoint(
    checkpoint: Checkpoint,
    options: { signal: AbortSignal; onProgress(progress: DownloadProgress): void },
  ): Promise<string[]>;
}
