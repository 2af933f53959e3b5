import { formatValue, type OptionNames } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { MonitorMode } from './monitor.ts';

/** The metric that a callback monitors. */
export interface MonitorOptions {
  /** Name of a metric in the epoch's logs, such as `loss`, `valLoss` or `valAccuracy`. Default `valLoss`. */
  monitor?: string;
  /** Whether a lower or a higher value is better. Default `auto`: higher for accuracy, topK, precision, recall and F1, else lower. */
  mode?: MonitorMode;
}
export const monitorOptionNames: OptionNames<MonitorOptions> = { monitor: true, mode: true };

/** @throws ArgumentError unless `value` is a number of this kind */
export function checkNumber(
  subject: string,
  option: string,
  value: number,
  kind: 'whole' | 'notNegative' | 'finite',
): number {
  const fits =
    kind === 'finite' ? Number.isFinite(value) : kind === 'whole' ? Number.isInteger(value) : Number.isFinite(value);
  if (!fits || (kind !== 'finite' && value < 0)) {
    const wanted = { whole: 'a whole number from 0 up', notNegative: 'a number from 0 up', finite: 'a finite number' };
    throw new ArgumentError(`${subject}: ${option} must be ${wanted[kind]}, but is ${formatValue(value)}`);
  }
  return value;
}
