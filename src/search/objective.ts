import { checkOptions, checkText, formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { camelCase, findName } from '../training/callbacks/monitor.ts';
import type { Objective } from './record.ts';

/**
 * Names of metrics of which higher values are better, and of those of which lower ones are. KerasTuner infers the direction from names,
 * too.
 */
const MAX = /accuracy|precision|recall|f1|auc|topk/i;
const MIN = /loss|error|entropy/i;

/**
 * The value of the option `objective`: the name of a metric of the epochs, alone or with its direction.
 * @inline
 */
export type ObjectiveOption = string | Objective;

/**
 * Returns the objective with its direction: the given one, or the one that the name implies. Higher is better for accuracies and similar
 * metrics, lower for losses and errors. Keras's spelling, `val_accuracy`, is accepted.
 * @param who the searcher's name, for messages
 * @throws ArgumentError for an invalid name, and for a name that implies no direction
 */
export function readObjective(who: string, objective: ObjectiveOption): Objective {
  if (typeof objective !== 'string' && (Array.isArray(objective) || typeof objective !== 'object' || !objective)) {
    throw new ArgumentError(
      `${who}: objective must be the name of a metric of the epochs, such as 'valAccuracy', or { name, direction }, but is ` +
        formatValue(objective),
    );
  }
  if (typeof objective !== 'string') checkOptions(`${who}: objective`, objective, { name: true, direction: true });
  const { name: given, direction } = (
    typeof objective === 'string' ? { name: objective } : objective
  ) as Partial<Objective> & { name: string };
  checkText(`${who}: objective`, given);
  const name = given.startsWith('val_') ? camelCase(given) : given;
  if (direction === 'min' || direction === 'max') return { name, direction };
  const [isMax, isMin] = [MAX.test(name), MIN.test(name)];
  if (direction === undefined && isMax !== isMin) return { name, direction: isMax ? 'max' : 'min' };
  const found = direction === undefined ? 'its name does not imply it' : `it was given as ${formatValue(direction)}`;
  throw new ArgumentError(
    `${who}: the direction of the objective ${formatValue(name)} must be 'min' or 'max', but ${found}; ` +
      `give { name: ${formatValue(name)}, direction: 'max' } or 'min'`,
  );
}

/** Whether `value` is a better score than `best`; every score is better than null. */
export function isBetter({ direction }: Objective, value: number, best: number | null): boolean {
  return best === null || (direction === 'max' ? value > best : value < best);
}

/** Returns a metric of an epoch, in any spelling of its name; null if it is missing or not a finite number. */
export function metricOf(logs: Readonly<Record<string, number | null | undefined>>, metric: string): number | null {
  const name = findName(Object.keys(logs), metric);
  const value = name === undefined ? null : logs[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
