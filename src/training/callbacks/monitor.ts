import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { TrainInfo } from './callback.ts';
import type { EpochLogs } from './logs.ts';

/** Whether a lower or a higher value is better; `auto` decides by the name: higher for accuracies and scores, lower for losses. */
export type MonitorMode = 'auto' | 'min' | 'max';

/** `r2` only at the beginning of a name, because `error2` is an error. */
const HIGHER_IS_BETTER = /accuracy|precision|recall|f1|auc|hits|top|^(val_?)?r2/i;

/** Names of the metrics in the logs, as far as they are known when training begins. */
export type LoggedMetrics = Pick<TrainInfo, 'monitored'> & Partial<Pick<TrainInfo, 'added'>>;

/** `val_top_k5` -> `valTopK5`: monitors accept Keras's names. */
export const camelCase = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** The name in `names` that equals `metric` or its spelling in Keras. */
export function findName(names: readonly string[], metric: string): string | undefined {
  return names.includes(metric) ? metric : names.find((name) => camelCase(name) === camelCase(metric));
}

/** A metric of the epochs by its name, as tilegrad or Keras spells it. Callbacks may add it to the logs of some epochs only. */
export class MonitoredMetric {
  /** Whether an epoch may lack it: `adds` of a callback names it, or an earlier epoch had it. */
  isOptional = false;

  /** @param subject begins the messages */
  constructor(
    private readonly subject: string,
    readonly name: string,
  ) {}

  /**
   * @returns whether every epoch will have the metric. If a callback has no `adds`, only the first epoch shows
   * @throws ArgumentError if no epoch will have it
   */
  begin({ monitored, added = [] }: LoggedMetrics): boolean {
    this.isOptional = false;
    if (findName(monitored, this.name)) return true;
    this.isOptional = findName(added ?? [], this.name) !== undefined;
    if (!this.isOptional && added !== null) throw this.missing([...monitored, ...added]);
    return false;
  }

  /** Its value; null in an epoch without it. @throws ArgumentError if no epoch had it so far and it is not optional */
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
      `, and needs adds: [${formatValue(this.name)}] if it does not add it in every epoch`,
    );
  }

  private missing(names: readonly string[], more = ''): ArgumentError {
    const hint = camelCase(this.name).startsWith('val')
      ? '; those that begin with val need validationData or validationSplit in fit'
      : '';
    return new ArgumentError(
      `${this.subject}: the epoch has no metric ${formatValue(this.name)}; there are ${names.join(', ')}${hint}. ` +
        `A callback that adds it must come before${more}`,
    );
  }
}

/** Reads one metric of the epochs and keeps its best value. NaN is never better. */
export class Monitor {
  /** The best value so far; null before the first. */
  best: number | null = null;
  readonly higherIsBetter: boolean;

  private readonly metric: MonitoredMetric;

  /**
   * @param callback begins the messages
   * @param metric name of the metric, also in Keras's spelling, `val_loss`
   * @throws ArgumentError for an empty name or an unknown mode
   */
  constructor(callback: string, metric: string, mode: MonitorMode = 'auto') {
    if (typeof metric !== 'string' || metric === '') {
      throw new ArgumentError(
        `${callback}: monitor must be the name of a metric such as 'valLoss', not ${formatValue(metric)}`,
      );
    }
    if (!['auto', 'min', 'max'].includes(mode)) {
      throw new ArgumentError(`${callback}: mode must be auto, min or max, but is ${formatValue(mode)}`);
    }
    this.metric = new MonitoredMetric(callback, metric);
    this.higherIsBetter = mode === 'max' || (mode === 'auto' && HIGHER_IS_BETTER.test(metric));
  }

  /** @throws ArgumentError if epochs will not have the metric and no callback may add it */
  begin(metrics: LoggedMetrics): void {
    this.metric.begin(metrics);
  }

  /** For a resumed training, which has had the metric before: an epoch may lack it. */
  resume(): void {
    this.metric.isOptional = true;
  }

  /** Its value; null in an epoch without it. @throws ArgumentError if no epoch had it so far and it is not optional */
  read(logs: EpochLogs): number | null {
    return this.metric.read(logs);
  }

  /** Whether this epoch is better than all before; if so, stores its value as the best. @throws ArgumentError */
  improves(logs: EpochLogs): boolean {
    const value = this.read(logs);
    if (value === null || Number.isNaN(value)) return false;
    const isBetter = this.best === null || (this.higherIsBetter ? value > this.best : value < this.best);
    if (isBetter) this.best = value;
    return isBetter;
  }
}
