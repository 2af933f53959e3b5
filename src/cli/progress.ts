import cliProgress from 'cli-progress';
import { clock, count, duration } from '../report/format.ts';
import type { BatchLogs, EpochLogs, FeatureLogs } from '../training/callbacks/logs.ts';
import type { Callback } from '../training/model.ts';
import { type OutputStream, writeLine } from './io.ts';

/** Returns the line that Keras prints at the end of an epoch. */
export function epochLine(logs: EpochLogs, epochs: number): string {
  const metrics: [string, number | undefined][] = [
    ['loss', logs.loss],
    ['accuracy', logs.accuracy],
    ['val_loss', logs.valLoss],
    ['val_accuracy', logs.valAccuracy],
  ];
  const metricTexts = metrics.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value.toFixed(4)}`]));
  const epoch = String(logs.epoch).padStart(String(epochs).length);
  const speed = `${duration(logs.seconds)}  ${count(logs.samplesPerSecond)} samples/s`;
  return `Epoch ${epoch}/${epochs}  ${metricTexts.join('  ')}  ${speed}`;
}

/** Shows the progress of training: a bar on a terminal during an epoch, and a line at its end. */
export class Progress implements Callback {
  /** It adds no metrics to the logs. */
  readonly adds = [];
  #lines: OutputStream;
  #terminal: OutputStream;
  #bar: cliProgress.SingleBar | undefined;
  #epochs = 0;

  /** @param lines stream of the lines. @param terminal stream of the bar, which is shown only if it is a terminal */
  constructor(lines: OutputStream, terminal: OutputStream) {
    this.#lines = lines;
    this.#terminal = terminal;
  }

  onTrainBegin({ epochs }: { epochs: number }): void {
    this.#epochs = epochs;
  }

  onFeatures({ samples, samplesTotal, seconds }: FeatureLogs): void {
    if (samples === samplesTotal) {
      this.stop();
      writeLine(this.#lines, `Features of ${count(samplesTotal)} samples  ${duration(seconds)}`);
    } else if (this.#terminal.isTTY) {
      this.#show('Features {bar} {percentage}%  {value} of {total} samples', { samples, samplesTotal }, {});
    }
  }

  onBatchEnd(logs: BatchLogs): void {
    if (!this.#terminal.isTTY) return;
    const payload = {
      epoch: `${String(logs.epoch).padStart(String(logs.epochs).length)}/${logs.epochs}`,
      loss: logs.loss.toFixed(4),
      accuracy: (logs.accuracy ?? Number.NaN).toFixed(4),
      speed: count(logs.samplesPerSecond),
      left: clock(logs.secondsLeft),
    };
    const format =
      'Epoch {epoch} {bar} {percentage}%  loss {loss}  accuracy {accuracy}  {speed} samples/s  {left} left';
    this.#show(format, logs, payload);
  }

  #show(format: string, { samples, samplesTotal }: { samples: number; samplesTotal: number }, payload: object): void {
    if (this.#bar === undefined) {
      this.#bar = new cliProgress.SingleBar(
        {
          format,
          stream: this.#terminal as NodeJS.WritableStream,
          barsize: 20,
          clearOnComplete: true,
        },
        cliProgress.Presets.shades_classic,
      );
      this.#bar.start(samplesTotal, samples, payload);
    } else {
      this.#bar.update(samples, payload);
    }
  }

  onEpochEnd(logs: EpochLogs): void {
    this.stop();
    writeLine(this.#lines, epochLine(logs, this.#epochs));
  }

  /**
   * Returns a callback that prints only lines, for one of several trainings: a bar would need the metrics of each batch. @param prefix
   * start of each line
   */
  linesOnly(prefix: string): Callback {
    return {
      adds: [],
      onTrainBegin: (info) => this.onTrainBegin(info),
      onEpochEnd: (logs) => writeLine(this.#lines, `${prefix}${epochLine(logs, this.#epochs)}`),
    };
  }

  /** Removes the bar from the terminal, so that a message is not printed into it. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
