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
 * The first trial has the first value of each hyperparameter: its default where the grid has that, as in KerasTuner. The next
 * one changes the last hyperparameter asked for that has a value left, and what the builder asks for after it begins with its first
 * value again: an odometer, whose wheels may depend on the digits before them. `valuesOf` says which values a range without
 * a step has.
 * @throws ArgumentError for impossible options
 */
export function gridOracle(options: GridOptions = {}): Oracle {
  const what = 'GridSearch';
  checkOptions(what, options, { maxTrials: true });
  const maxTrials =
    options.maxTrials === undefined ? Number.POSITIVE_INFINITY : checkCount(what, 'maxTrials', options.maxTrials);
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
 * The value that is tried after another, or the first one: the default, then the others in their order; undefined after the last. A range
 * of integers may be far too wide to list.
 */
function valueAfter(h: Hyperparameter, value: HyperparameterValue | undefined): HyperparameterValue | undefined {
  const list = isSampled(h) ? valuesOf(h) : null;
  const placeOf = (one: HyperparameterValue) => (list ? list.indexOf(one) : indexOf(h, one));
  const first = h.kind === 'fixed' ? 0 : placeOf(h.default); // -1 where the grid lacks it
  let place = first;
  if (value !== undefined) {
    const at = placeOf(value);
    place = at === first ? 0 : at + 1;
    if (place === first) place++;
  }
  if (place < 0) place = 0;
  if (place >= (list?.length ?? countOf(h))) return undefined;
  return list ? list[place] : valueAt(h, place);
}

/** What is set for the trial after one; null after the last. */
function valuesAfter(number: number, state: SearchState): HyperparameterValues | null {
  const [values, asked] = [state.proposed.get(number), state.asked.get(number)];
  if (values === undefined || asked === undefined) return null; // there was no such trial, so this one is none either
  for (let last = asked.length - 1; last >= 0; last--) {
    const h = asked[last]!;
    const next = valueAfter(h, values[h.name]);
    if (next === undefined) continue;
    const before = asked.slice(0, last).map(({ name }) => [name, values[name]!] as const);
    return Object.fromEntries([...before, [h.name, next]]);
  }
  return null;
}
