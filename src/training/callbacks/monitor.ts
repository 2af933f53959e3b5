import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { TrainInfo } from './callback.ts';
import type { EpochLogs } from './logs.ts';

/** Whether less or more is better; `auto` goes by the name: more for accuracies and their like, less for losses. */
export type MonitorMode = 'auto' | 'min' | 'max';

/** `r2` at the beginning alone: `error2` is none. */
const MORE_IS_BETTER = /accuracy|precision|recall|f1|auc|hits|top|^(val_?)?r2/i;

/** What is known of figures as training begins. */
export type LoggedMetrics = Pick<TrainInfo, 'monitored'> & Partial<Pick<TrainInfo, 'added'>>;

/** `val_top_k5` -> `valTopK5`: Keras's names are understood everywhere. */
export const camelCase = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** The name among `names` that is meant, in any spelling. */
export function findName(names: readonly string[], figure: string): string | undefined {
  return names.includes(figure) ? figure : names.find((name) => camelCase(name) === camelCase(figure));
}

/** A figure of the epochs by its name, as tilegrad or as Keras spells it. Callbacks may add it in some epochs only. */
export class MonitoredMetric {
  /** Whether an epoch may lack it: a callback adds it, as it says or as an epoch has shown. */
  isOptional = false;

  /** @param subject begins the messages */
  constructor(
    private readonly subject: string,
    readonly name: string,
  ) {}

  /**
   * @returns whether it is sure that there will be such a figure; where callbacks do not say what they add, the end of the first
   *   epoch shows. @throws ArgumentError if nobody will add it
   */
  begin({ monitored, added = [] }: LoggedMetrics): boolean {
    this.isOptional = false;
    if (findName(monitored, this.name)) return true;
    this.isOptional = findName(added ?? [], this.name) !== undefined;
    if (!this.isOptional && added !== null) throw this.missing([...monitored, ...added]);
    return false;
  }

  /** Its value; null in an epoch without it. @throws ArgumentError if there was never such a figure */
  read(logs: EpochLogs): number | null {
    const name = findName(Object.keys(logs), this.name);
    const value = name === undefined ? undefined : logs[name];
    if (typeof value === 'number') {
      this.isOptional = true;
      return value;
    }
    if (this.isOptional) return null;
    throw this.missing(
      Object.keys(logs),
      `, and to have adds: [${formatValue(this.name)}] where some epochs are without it`,
    );
  }

  private missing(figures: readonly string[], more = ''): ArgumentError {
    const hint = camelCase(this.name).startsWith('val')
      ? '; those that begin with val need validationData or validationSplit in fit'
      : '';
    return new ArgumentError(
      `${this.subject}: the epoch has no figure ${formatValue(this.name)}; there are ${figures.join(', ')}${hint}. ` +
        `A callback that adds it has to come before${more}`,
    );
  }
}

/** Watches one figure of the epochs and knows the best so far. NaN is never better. */
export class Monitor {
  /** The best value so far; null before the first. */
  best: number | null = null;
  /** Whether more is better. */
  readonly higherIsBetter: boolean;

  private readonly metric: MonitoredMetric;

  /** @param callback begins the messages. @param figure its name; Keras's spelling, `val_loss`, is understood. @throws ArgumentError for another mode, or a figure that is no name */
  constructor(callback: string, figure: string, mode: MonitorMode = 'auto') {
    if (typeof figure !== 'string' || figure === '') {
      throw new ArgumentError(
        `${callback}: monitor must be the name of a figure such as 'valLoss', not ${formatValue(figure)}`,
      );
    }
    if (!['auto', 'min', 'max'].includes(mode)) {
      throw new ArgumentError(`${callback}: mode must be auto, min or max, but is ${formatValue(mode)}`);
    }
    this.metric = new MonitoredMetric(callback, figure);
    this.higherIsBetter = mode === 'max' || (mode === 'auto' && MORE_IS_BETTER.test(figure));
  }

  /** @throws ArgumentError unless it is among the figures that epochs will have, or a callback may add it */
  begin(figures: LoggedMetrics): void {
    this.metric.begin(figures);
  }

  /** Where training is taken up again: that there is such a figure was seen before. */
  resume(): void {
    this.metric.isOptional = true;
  }

  /** The figure of an epoch; null in one to which no callback added it. @throws ArgumentError where there was never one */
  read(logs: EpochLogs): number | null {
    return this.metric.read(logs);
  }

  /** Whether this epoch is better than every one before; if so it is the best from now on. @throws ArgumentError */
  improves(logs: EpochLogs): boolean {
    const value = this.read(logs);
    if (value === null || Number.isNaN(value)) return false;
    const better = this.best === null || (this.higherIsBetter ? value > this.best : value < this.best);
    if (better) this.best = value;
    return better;
  }
}
