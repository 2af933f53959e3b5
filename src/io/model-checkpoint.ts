import { checkOptions, show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import { type Callback, type CallbackState, type EpochLogs, type Model, modelConfig } from '../nn/index.ts';
import { figureOf, Monitor, type MonitorMode } from '../nn/monitor.ts';
import { saveModel, saveWeights } from './load-save.ts';

export interface ModelCheckpointOptions {
  /** The file; figures of the epoch may be part of its name: `model-{epoch:02d}-{valLoss:.3f}.safetensors`. */
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
  private readonly options: ModelCheckpointOptions;
  private readonly monitor: Monitor;
  private model: Model | null = null;

  /** @throws ArgumentError for options that make no sense */
  constructor(options: ModelCheckpointOptions) {
    checkOptions('ModelCheckpoint', options, {
      path: true,
      monitor: true,
      saveBestOnly: true,
      mode: true,
      saveWeightsOnly: true,
    });
    if (typeof options.path !== 'string' || options.path === '') {
      throw new ArgumentError(`ModelCheckpoint: path must be that of a file, but is ${show(options.path)}`);
    }
    this.options = { ...options };
    this.monitor = new Monitor('ModelCheckpoint', options.monitor ?? 'valLoss', options.mode);
  }

  /** The best value of the monitored figure so far; null before the first epoch, and unless `saveBestOnly`. */
  get best(): number | null {
    return this.monitor.best;
  }

  /** @throws ArgumentError for a model that cannot be saved whole, or a figure, monitored or of the path, that will not be there: before anything is trained in vain */
  onTrainBegin({ model, monitored }: { model: Model; monitored: readonly string[] }): void {
    this.model = model;
    if (this.options.saveBestOnly) this.monitor.begin({ monitored });
    // What every epoch has, and no callback would monitor.
    const figures = ['epoch', ...monitored, 'seconds', 'samplesPerSecond'];
    filled(this.options.path, Object.fromEntries(figures.map((name) => [name, 0])) as unknown as EpochLogs);
    if (!this.options.saveWeightsOnly) modelConfig(model);
  }

  state(): CallbackState {
    return { best: this.monitor.best };
  }

  restore({ best }: CallbackState): void {
    this.monitor.best = best as number | null;
  }

  /** @throws FileError; ArgumentError for a figure that the epoch does not have */
  async onEpochEnd(logs: EpochLogs): Promise<void> {
    const { saveBestOnly = false, saveWeightsOnly = false, path } = this.options;
    if (saveBestOnly && !this.monitor.improves(logs)) return;
    const save = saveWeightsOnly ? saveWeights : saveModel;
    await save(this.model!, filled(path, logs));
  }
}

/**
 * A path with the figures it names, such as `{epoch}`, `{epoch:03d}` or `{valLoss:.2f}`, as Python formats them.
 * @throws ArgumentError for a figure that the epoch does not have
 */
function filled(path: string, logs: EpochLogs): string {
  return path.replace(/\{(\w+)(?::0?(\d*)d|:\.(\d+)f)?\}/g, (_, figure: string, width?: string, digits?: string) => {
    const value = figureOf('ModelCheckpoint: path', logs, figure);
    return digits === undefined ? String(value).padStart(Number(width ?? 0), '0') : value.toFixed(Number(digits));
  });
}
