import { checkOptions } from '../../base/check.ts';
import type { Oracle, SearchState } from '../oracle.ts';
import type { Hyperparameter, HyperparameterValue, HyperparameterValues } from '../record.ts';
import { countOf, indexOf, isSampled, valueAt, valuesOf } from '../space.ts';
import { checkCount } from './options.ts';

export interface GridOptions {
  /** Default: all combinations. */
  maxTrials?: number;
}

/**
 * The oracle of GridSearch: every combination of values once.
 *
 * The first trial has the first value of each hyperparameter: its default if the grid contains it, as in KerasTuner. Each next trial
 * changes the last requested hyperparameter that has a value left. Hyperparameters requested after that one begin with their first values
 * again; they may depend on the values before them. `valuesOf` returns the values of a range without a step.
 * @throws ArgumentError for impossible options
 */
export function gridOracle(options: GridOptions = {}): Oracle {
  const subject = 'GridSearch';
  checkOptions(subject, options, { maxTrials: true });
  const maxTrials =
    options.maxTrials === undefined ? Number.POSITIVE_INFINITY : checkCount(subject, 'maxTrials', options.maxTrials);
  return {
    propose(number, state) {
      if (number >= maxTrials) return null;
      const values = number === 0 ? {} : valuesAfter(number - 1, state);
      return values && { values };
    },
    isOrdered: true,
    draw: (hyperparameter) => valueAfter(hyperparameter, undefined)!,
  };
}

/**
 * Returns the value that is tried after another, or the first one if that is undefined: the default, then the others in order. Returns
 * undefined after the last. The values are not listed, because a range of integers may be far too wide.
 */
function valueAfter(h: Hyperparameter, value: HyperparameterValue | undefined): HyperparameterValue | undefined {
  const list = isSampled(h) ? valuesOf(h) : null;
  const indexIn = (other: HyperparameterValue) => (list ? list.indexOf(other) : indexOf(h, other));
  const first = h.kind === 'fixed' ? 0 : indexIn(h.default); // -1 if the grid does not contain it
  let index = first;
  if (value !== undefined) {
    const current = indexIn(value);
    index = current === first ? 0 : current + 1;
    if (index === first) index++;
  }
  if (index < 0) index = 0;
  if (index >= (list?.length ?? countOf(h))) return undefined;
  return list ? list[index] : valueAt(h, index);
}

/** Returns the preset values of the trial after `number`; null after the last. */
function valuesAfter(number: number, state: SearchState): HyperparameterValues | null {
  const [values, asked] = [state.proposed.get(number), state.asked.get(number)];
  if (values === undefined || asked === undefined) return null; // there is no trial `number`, so there is none after it
  for (let last = asked.length - 1; last >= 0; last--) {
    const h = asked[last]!;
    const next = valueAfter(h, values[h.name]);
    if (next === undefined) continue;
    const before = asked.slice(0, last).map(({ name }) => [name, values[name]!] as const);
    return Object.fromEntries([...before, [h.name, next]]);
  }
  return null;
}
