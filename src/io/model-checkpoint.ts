import { checkFlag, checkOptions, formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { type LoggedMetrics, Monitor, type MonitorMode } from '../training/callbacks/monitor.ts';
import {
  type Callback,
  type CallbackState,
  type EpochLogs,
  type Model,
  modelConfig,
  type TrainInfo,
} from '../training/index.ts';
import { FigurePath } from './figure-path.ts';
import { saveModel, saveWeights } from './load-save.ts';

/** Options of `ModelCheckpoint`. */
export interface ModelCheckpointOptions {
  /**
   * The file; figures of the epoch may be part of its name, in Python's formats: `model-{epoch:02d}-{val_loss:.3f}.safetensors`.
   * Names are those of the logs (`valLoss`) or Keras's (`val_loss`); {{ and }} are braces themselves.
   */
  path: string;
  /** The figure that decides what is best. Default `valLoss`. */
  monitor?: string;
  /** Whether a file is only written for an epoch better than all before. Default false: after every epoch. */
  saveBestOnly?: boolean;
  /** Default `auto`. */
  mode?: MonitorMode;
  /** Whether only the weights are saved, for `loadWeights`, rather than the whole model. Default false. */
  saveWeightsOnly?: boolean;
}

/**
 * Saves the model after an epoch, as Keras's callback of this name. A file is replaced whole, so that one that was there stays
 * until the new one is on the disk, also where the disk is full.
 */
export class ModelCheckpoint implements Callback {
  /** Its name in backups, whatever a bundler makes of the class's. */
  readonly [Symbol.toStringTag] = 'ModelCheckpoint';
  readonly adds = [];
  private readonly options: ModelCheckpointOptions;
  private readonly path: FigurePath;
  private readonly monitor: Monitor;
  private model: Model | null = null;

  /** @throws ArgumentError for options that make no sense */
  constructor(options: ModelCheckpointOptions, ...surplus: never[]) {
    checkOptions(
      'ModelCheckpoint',
      options,
      {
        path: true,
        monitor: true,
        saveBestOnly: true,
        mode: true,
        saveWeightsOnly: true,
      },
      surplus,
    );
    if (typeof options.path !== 'string' || options.path === '') {
      throw new ArgumentError(`ModelCheckpoint: path must be that of a file, but is ${formatValue(options.path)}`);
    }
    checkFlag('ModelCheckpoint', 'saveBestOnly', options.saveBestOnly ?? false);
    checkFlag('ModelCheckpoint', 'saveWeightsOnly', options.saveWeightsOnly ?? false);
    this.options = { ...options };
    this.path = new FigurePath(options.path);
    this.monitor = new Monitor('ModelCheckpoint', options.monitor ?? 'valLoss', options.mode);
  }

  /** The best value of the monitored figure so far; null before the first epoch, and unless `saveBestOnly`. */
  get best(): number | null {
    return this.monitor.best;
  }

  /** @throws ArgumentError for a model that cannot be saved whole, or a figure, monitored or of the path, that will not be there: before anything is trained in vain */
  onTrainBegin({ model, ...figures }: LoggedMetrics & Pick<TrainInfo, 'model'>): void {
    this.model = model;
    if (this.options.saveBestOnly) this.monitor.begin(figures);
    this.path.begin(figures);
    if (!this.options.saveWeightsOnly) modelConfig(model);
  }

  state(): CallbackState {
    return { best: this.monitor.best };
  }

  restore({ best }: CallbackState): void {
    this.monitor.best = best as number | null;
    this.monitor.resume();
    this.path.resume();
  }

  /** @throws FileError; ArgumentError for a figure that the epoch does not have */
  async onEpochEnd(logs: EpochLogs): Promise<void> {
    const { saveBestOnly = false, saveWeightsOnly = false } = this.options;
    if (saveBestOnly && !this.monitor.improves(logs)) return;
    const save = saveWeightsOnly ? saveWeights : saveModel;
    await save(this.model!, this.path.fill(logs));
  }
}
