import { show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import type { EpochLogs } from './callbacks.ts';

/** Whether less or more is better; `auto` goes by the name: more for accuracies and their like, less for losses. */
export type MonitorMode = 'auto' | 'min' | 'max';

const MORE_IS_BETTER = /accuracy|precision|recall|f1|auc|hits|top/i;

/** Watches one figure of the epochs and knows the best so far. NaN is never better. */
export class Monitor {
  /** The best value so far; null before the first. */
  best: number | null = null;
  /** Whether more is better. */
  readonly rises: boolean;

  private readonly figure: string;

  /** @param callback begins the messages. @param figure its name; Keras's spelling, `val_loss`, is understood. @throws ArgumentError for another mode, or a figure that is no name */
  constructor(
    private readonly callback: string,
    figure: string,
    mode: MonitorMode = 'auto',
  ) {
    if (typeof figure !== 'string' || figure === '') {
      throw new ArgumentError(
        `${callback}: monitor must be the name of a figure such as 'valLoss', not ${show(figure)}`,
      );
    }
    if (!['auto', 'min', 'max'].includes(mode)) {
      throw new ArgumentError(`${callback}: mode must be auto, min or max, but is ${show(mode)}`);
    }
    this.figure = figure.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    this.rises = mode === 'max' || (mode === 'auto' && MORE_IS_BETTER.test(figure));
  }

  /** @throws ArgumentError unless it is among the figures that epochs will have */
  begin({ monitored }: { monitored: readonly string[] }): void {
    if (!monitored.includes(this.figure)) missing(this.callback, this.figure, monitored);
  }

  /** The figure of an epoch. @throws ArgumentError where it has none */
  read(logs: EpochLogs): number {
    return figureOf(this.callback, logs, this.figure);
  }

  /** Whether this epoch is better than every one before; if so it is the best from now on. @throws ArgumentError */
  improves(logs: EpochLogs): boolean {
    const value = figureOf(this.callback, logs, this.figure);
    const better = this.best === null || (this.rises ? value > this.best : value < this.best);
    if (Number.isNaN(value) || !better) return false;
    this.best = value;
    return true;
  }
}

/** A figure of an epoch by its name. @throws ArgumentError, naming those there are */
export function figureOf(callback: string, logs: EpochLogs, figure: string): number {
  const value = Object.hasOwn(logs, figure) ? logs[figure] : undefined;
  if (typeof value === 'number') return value;
  return missing(callback, figure, Object.keys(logs));
}

function missing(callback: string, figure: string, figures: readonly string[]): never {
  const hint = figure.startsWith('val')
    ? '; those that begin with val need validationData or validationSplit in fit'
    : '';
  throw new ArgumentError(
    `${callback}: the epoch has no figure ${show(figure)}; there are ${figures.join(', ')}${hint}`,
  );
}
