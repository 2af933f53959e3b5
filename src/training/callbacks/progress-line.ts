import { checkSurplus, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Callback, TrainInfo } from './callback.ts';
import type { BatchLogs, EpochLogs, FeatureLogs } from './logs.ts';

/** Numbers in the logs that are not metrics. */
const NOT_METRICS = [
  'epoch',
  'epochs',
  'samples',
  'samplesTotal',
  'samplesPerSecond',
  'secondsLeft',
  'seconds',
  'learningRate',
];

/** Formats numbers as Keras does: four decimals, or powers of ten for very small ones. */
const formatNumber = (value: number) =>
  Math.abs(value) > 1e-3 || value === 0 ? value.toFixed(4) : value.toExponential(4);

const formatMetrics = (logs: BatchLogs | EpochLogs) =>
  Object.entries(logs)
    .filter(([name, value]) => value !== undefined && !NOT_METRICS.includes(name))
    .map(([name, value]) => ` - ${name}: ${typeof value === 'number' ? formatNumber(value) : formatValue(value)}`)
    .join('');

/**
 * Prints a line for each epoch, as Keras does with `verbose=2`: `Epoch 1/10 - 3.2s - loss: 0.4121 - accuracy: 0.8830`. Prints a hint when the
 * loss is not finite for the first time.
 */
export class ProgressLine implements Callback {
  readonly adds = [];
  private epochs = 0;
  private hasDiverged = false;

  /**
   * @param write called with each epoch's line. Default: `console.log`
   * @param update called a few times a second with the current line, to be shown in place. Default: none
   * @throws ArgumentError unless they are functions
   */
  constructor(
    // biome-ignore lint/suspicious/noConsole: the default output of progress lines
    private readonly write: (line: string) => void = (line) => console.log(line),
    private readonly update: ((line: string) => void) | null = null,
    ...surplus: never[]
  ) {
    checkSurplus('ProgressLine', surplus);
    for (const [name, value] of Object.entries({ write, update })) {
      if (typeof value === 'function' || (name === 'update' && value === null)) continue;
      throw new ArgumentError(`ProgressLine: ${name} must be a function of a line, but is ${formatValue(value)}`);
    }
  }

  onTrainBegin({ epochs }: Pick<TrainInfo, 'epochs'>): void {
    this.epochs = epochs;
    this.hasDiverged = false;
  }

  onFeatures({ samples, samplesTotal, seconds }: FeatureLogs): void {
    if (samples < samplesTotal) this.update?.(`Features - ${samples}/${samplesTotal}`);
    else this.write(`Features - ${seconds.toFixed(1)}s - ${samplesTotal} samples`);
  }

  onBatchEnd(logs: BatchLogs): void {
    this.update?.(`Epoch ${logs.epoch}/${logs.epochs} - ${logs.samples}/${logs.samplesTotal}${formatMetrics(logs)}`);
  }

  onEpochEnd(logs: EpochLogs): void {
    this.write(`Epoch ${logs.epoch}/${this.epochs} - ${logs.seconds.toFixed(1)}s${formatMetrics(logs)}`);
    const { loss, valLoss = 0 } = logs;
    if (this.hasDiverged || (Number.isFinite(loss) && Number.isFinite(valLoss))) return;
    this.hasDiverged = true;
    this.write(
      'The loss is no longer a finite number, so training learns nothing: lower the learning rate or clip gradients ' +
        '(clipNorm), and pass the callback new TerminateOnNaN() to end such a training early',
    );
  }
}
