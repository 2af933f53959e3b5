import cliProgress from 'cli-progress';
import { clock, count, duration } from '../report/format.ts';
import type { BatchLogs, EpochLogs, FeatureLogs } from '../training/callbacks/logs.ts';
import type { Callback } from '../training/model.ts';
import { type OutputStream, writeLine } from './io.ts';

/** The line Keras prints at the end of an epoch. */
export function epochLine(logs: EpochLogs, epochs: number): string {
  const figures: [string, number | undefined][] = [
    ['loss', logs.loss],
    ['accuracy', logs.accuracy],
    ['val_loss', logs.valLoss],
    ['val_accuracy', logs.valAccuracy],
  ];
  const shown = figures.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value.toFixed(4)}`]));
  const epoch = String(logs.epoch).padStart(String(epochs).length);
  const speed = `${duration(logs.seconds)}  ${count(logs.samplesPerSecond)} samples/s`;
  return `Epoch ${epoch}/${epochs}  ${shown.join('  ')}  ${speed}`;
}

/** Shows training as it goes: a bar on a terminal while an epoch runs, and a line at its end. */
export class Progress implements Callback {
  /** It reports no figure of its own. */
  readonly adds = [];
  #lines: OutputStream;
  #terminal: OutputStream;
  #bar: cliProgress.SingleBar | undefined;
  #epochs = 0;

  /** Lines go to `lines`; the bar to `terminal`, and only if that is one. */
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

  /** The lines of a training among others, without a bar: that would need the figures of each batch. @param before begins each line */
  linesOnly(before: string): Callback {
    return {
      adds: [],
      onTrainBegin: (info) => this.onTrainBegin(info),
      onEpochEnd: (logs) => writeLine(this.#lines, `${before}${epochLine(logs, this.#epochs)}`),
    };
  }

  /** Takes the bar off the terminal; a message printed while it stands would be written into it. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
