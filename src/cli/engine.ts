import type { Dataset, DatasetName, ImageSet } from '../data/types.ts';
import type { AdapterInfo, Counters } from '../gpu/info.ts';
import type { Callback, History } from '../nn/callbacks.ts';
import type { Profile } from '../tuner/profile.ts';

// What the commands need of the engine, and no more: tests stand in for it, and `--help` and `list` never load it.

export interface EngineDevice {
  info: AdapterInfo;
  counters: Counters;
  dispose(): void;
}

/** Samples that a model takes batches from. */
export interface EngineData {
  readonly size: number;
}

/** Images of one set on the device. */
export interface EngineLoader extends EngineData {
  dispose(): void;
}

export interface EngineModel {
  build(device: EngineDevice, options: { seed: number }): unknown;
  compile(options: { optimizer: unknown; loss: unknown; metrics?: string[] }): unknown;
  summary(): string;
  countParams(): number;
  fit(
    data: EngineData,
    options?: {
      epochs?: number;
      batchSize?: number;
      validationData?: EngineData;
      shuffle?: boolean;
      seed?: number;
      callbacks?: readonly Callback[];
      signal?: AbortSignal;
    },
  ): Promise<History>;
  evaluate(
    data: EngineData,
    options: { batchSize?: number; signal?: AbortSignal },
  ): Promise<{ loss: number; accuracy: number }>;
  dispose(): void;
}

export interface Engine {
  openDevice(options?: { fineTimestamps?: boolean }): Promise<EngineDevice>;
  createLoader(device: EngineDevice, set: ImageSet): EngineLoader;
  /** Where the time of a training step goes; leaves the model as it is. */
  profileStep(model: EngineModel, data: EngineLoader, options: { batchSize: number }): Promise<Profile>;
  loadDataset(name: DatasetName, options: { dir?: string; limit?: number }): Promise<Dataset>;
}
