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
import { saveModel, saveWeights } from './load-save.ts';
import { MetricPath } from './metric-path.ts';

/** Options of `ModelCheckpoint`. */
export interface ModelCheckpointOptions {
  /**
   * Path of the file. It may contain metrics of the epoch in Python's formats: `model-{epoch:02d}-{val_loss:.3f}.safetensors`.
   * Their names are those of the logs (`valLoss`) or of Keras (`val_loss`); {{ and }} are literal braces.
   */
  path: string;
  /** The metric that decides which epoch is best. Default: `valLoss`. */
  monitor?: string;
  /** Whether to save only epochs that are better than all before. Default: false, which saves every epoch. */
  saveBestOnly?: boolean;
  /** Whether a smaller or a larger value is better. Default: `auto`, which follows from the name. */
  mode?: MonitorMode;
  /** Whether to save only the weights, for `loadWeights`, instead of the whole model. Default: false. */
  saveWeightsOnly?: boolean;
}

/**
 * Saves the model after an epoch, as Keras's callback of the same name. A file is replaced atomically, so an existing one stays until
 * the new one is on the disk, even if the disk is full.
 */
export class ModelCheckpoint implements Callback {
  /** Name in backups; a bundler may change the name of the class. */
  readonly [Symbol.toStringTag] = 'ModelCheckpoint';
  readonly adds = [];
  private readonly options: ModelCheckpointOptions;
  private readonly path: MetricPath;
  private readonly monitor: Monitor;
  private model: Model | null = null;

  /** @throws ArgumentError for invalid options */
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
    this.path = new MetricPath(options.path);
    this.monitor = new Monitor('ModelCheckpoint', options.monitor ?? 'valLoss', options.mode);
  }

  /** The best value of the monitored metric so far; null before the first epoch, and unless `saveBestOnly`. */
  get best(): number | null {
    return this.monitor.best;
  }

  /** @throws ArgumentError, before training starts, if the model cannot be saved or if `monitor` or `path` names an unknown metric */
  onTrainBegin({ model, ...metrics }: LoggedMetrics & Pick<TrainInfo, 'model'>): void {
    this.model = model;
    if (this.options.saveBestOnly) this.monitor.begin(metrics);
    this.path.begin(metrics);
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

  /** @throws FileError; ArgumentError for a metric that the epoch does not have */
  async onEpochEnd(logs: EpochLogs): Promise<void> {
    const { saveBestOnly = false, saveWeightsOnly = false } = this.options;
    if (saveBestOnly && !this.monitor.improves(logs)) return;
    const save = saveWeightsOnly ? saveWeights : saveModel;
    await save(this.model!, this.path.format(logs));
  }
}
