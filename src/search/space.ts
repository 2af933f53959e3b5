import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Hyperparameter, HyperparameterValue } from './record.ts';

// Hyperparameters as sets of values: each maps to the unit interval and back, as KerasTuner's `prob_to_value` and
// `value_to_prob` do, so that searchers do not depend on the kinds.

type Numeric = Extract<Hyperparameter, { kind: 'int' | 'float' }>;

/** Number of values that GridSearch tries for a range without a step, as in KerasTuner. */
const GRID_VALUES = 10;
/** Number of steps by which the last value may exceed `max`: 0.1 + 9 * 0.1 is slightly more than 1 in floating point. */
const STEP_TOLERANCE = 1e-8;
/** Integers up to here are exact after a multiplication by a power of ten, with room for sums. */
const MAX_DECIMAL_UNITS = 2 ** 50;

/** Whether every integer of a log range can be drawn, the low ones more often. */
const isLogWithoutStep = (h: Numeric) => h.sampling === 'log' && (h.step === null || h.step === 1);

/** Whether every number of the range can be drawn. */
export const isContinuous = (h: Hyperparameter): boolean => h.kind === 'float' && h.step === null && h.min < h.max;

/** Number of values: 1 for a fixed one, Infinity for a float without a step. */
export function countOf(h: Hyperparameter): number {
  if (h.kind === 'fixed') return 1;
  if (h.kind === 'boolean') return 2;
  if (h.kind === 'choice') return h.values.length;
  if (h.min === h.max) return 1;
  if (h.step === null) return Number.POSITIVE_INFINITY;
  if (h.kind === 'int' && isLogWithoutStep(h)) return h.max - h.min + 1;
  const steps = h.sampling === 'log' ? Math.log(h.max / h.min) / Math.log(h.step) : (h.max - h.min) / h.step;
  return Math.floor(steps + (h.kind === 'int' && h.sampling === 'linear' ? 0 : STEP_TOLERANCE)) + 1;
}

/** The value of an index from 0 to `countOf - 1`: in rising order, as listed for a choice, false before true. */
export function valueAt(h: Hyperparameter, index: number): HyperparameterValue {
  if (h.kind === 'fixed') return h.value;
  if (h.kind === 'boolean') return index === 1;
  if (h.kind === 'choice') return h.values[index]!;
  if (index === 0 || h.step === null) return h.min;
  if (h.kind === 'int' && isLogWithoutStep(h)) return h.min + index;
  const value = h.sampling === 'log' ? powerOf(h.min, h.step, index) : decimalSum(h.min, h.step, index);
  return Math.min(h.max, value);
}

/** The index of a value, or -1 if the hyperparameter cannot have it. For hyperparameters with a finite number of values. */
export function indexOf(h: Hyperparameter, value: HyperparameterValue): number {
  if (h.kind === 'fixed') return h.value === value ? 0 : -1;
  if (h.kind === 'boolean') return typeof value === 'boolean' ? Number(value) : -1;
  if (h.kind === 'choice') return h.values.indexOf(value);
  if (typeof value !== 'number' || !(value >= h.min && value <= h.max)) return -1;
  const step = h.step ?? 1;
  const isFactor = h.sampling === 'log' && step !== 1;
  const index = Math.round(isFactor ? Math.log(value / h.min) / Math.log(step) : (value - h.min) / step);
  return index < countOf(h) && valueAt(h, index) === value ? index : -1;
}

/** min * step^index, exact for integers, else to 15 digits: 0.001 * 10^2 is 0.1. */
function powerOf(min: number, step: number, index: number): number {
  const value = min * step ** index;
  return Number.isInteger(min) && Number.isInteger(step) ? Math.round(value) : Number(value.toPrecision(15));
}

/** min + index * step in units of the last decimal of both: 0.1 + 1 * 0.2 is 0.3, not 0.30000000000000004. */
function decimalSum(min: number, step: number, index: number): number {
  const decimals = Math.max(decimalsOf(min), decimalsOf(step));
  const unit = Number(`1e${decimals}`);
  const [first, increment] = [Math.round(min * unit), Math.round(step * unit)];
  const sum = first + index * increment;
  const isExact = decimals <= 22 && [first, index * increment].every((n) => Math.abs(n) <= MAX_DECIMAL_UNITS);
  return isExact ? sum / unit : min + index * step;
}

/** Digits after the point of the shortest decimal that is this double. */
function decimalsOf(x: number): number {
  const [mantissa = '', exponent = '0'] = String(x).split('e');
  return Math.max(0, (mantissa.split('.')[1]?.length ?? 0) - Number(exponent));
}

/**
 * The value at `u` in [0, 1) of the hyperparameter's distribution: uniform over values, or over their logarithms.
 * Discrete values have intervals of equal width, except those of an int with log sampling and without a step.
 */
export function unitToValue(h: Hyperparameter, u: number): HyperparameterValue {
  if ((h.kind === 'int' || h.kind === 'float') && h.min < h.max) {
    if (h.kind === 'int' && isLogWithoutStep(h)) {
      return Math.min(h.max, Math.floor(h.min * ((h.max + 1) / h.min) ** u));
    }
    if (h.step === null) {
      const value = h.sampling === 'log' ? h.min * (h.max / h.min) ** u : h.min * (1 - u) + h.max * u;
      return Math.min(h.max, Math.max(h.min, value)) + 0; // + 0: JSON has no -0
    }
  }
  const count = countOf(h);
  return valueAt(h, Math.min(count - 1, Math.floor(u * count)));
}

/** The interval of the unit interval that `unitToValue` maps to a value; a single point for a float without a step. */
export function unitInterval(h: Hyperparameter, value: HyperparameterValue): [low: number, high: number] {
  if ((h.kind === 'int' || h.kind === 'float') && h.min < h.max) {
    const v = value as number;
    if (h.kind === 'int' && isLogWithoutStep(h)) {
      const width = Math.log((h.max + 1) / h.min);
      return [Math.log(v / h.min) / width, Math.log((v + 1) / h.min) / width];
    }
    if (h.step === null) {
      const isLog = h.sampling === 'log';
      const u = isLog ? Math.log(v / h.min) / Math.log(h.max / h.min) : (v - h.min) / (h.max - h.min);
      return [u, u];
    }
  }
  const [index, count] = [indexOf(h, value), countOf(h)];
  return [index / count, (index + 1) / count];
}

/** The inverse of `unitToValue`: for a discrete value the middle of its interval, as KerasTuner has it. */
export function valueToUnit(h: Hyperparameter, value: HyperparameterValue): number {
  if (h.kind === 'int' && h.min < h.max && isLogWithoutStep(h)) {
    return Math.log(((value as number) + 0.5) / h.min) / Math.log((h.max + 1) / h.min);
  }
  const [low, high] = unitInterval(h, value);
  return (low + high) / 2;
}

/**
 * The values of a grid: rising, or in the order of the list for a choice. A float without a step, and an int with log sampling and without
 * a step, have the values at 0.05, 0.15, ... 0.95 of their distribution, as in KerasTuner; fewer if some are equal.
 */
export function valuesOf(h: Hyperparameter): HyperparameterValue[] {
  if (!isSampled(h)) return Array.from({ length: countOf(h) }, (_, index) => valueAt(h, index));
  const values = Array.from({ length: GRID_VALUES }, (_, i) => unitToValue(h, (i + 0.5) / GRID_VALUES));
  return [...new Set(values)];
}

/** Whether a grid uses only a few values of the range. */
export const isSampled = (h: Hyperparameter): boolean =>
  (h.kind === 'int' || h.kind === 'float') &&
  h.min < h.max &&
  (h.step === null || (h.kind === 'int' && isLogWithoutStep(h)));

/**
 * Number of combinations of values; Infinity if a float has no step. A hyperparameter under a condition counts only where the condition
 * holds.
 * @param space hyperparameters in the order of a builder's requests: parents before those that depend on them
 */
export function spaceSize(space: readonly Hyperparameter[]): number {
  const parents = new Set(space.flatMap((h) => h.conditions.map(({ name }) => name)));
  const sizeFrom = (index: number, known: ReadonlyMap<string, HyperparameterValue | null>): number => {
    const h = space[index];
    if (h === undefined) return 1;
    if (!h.conditions.every(({ name, values }) => values.includes(known.get(name) ?? (null as never)))) {
      return sizeFrom(index + 1, known);
    }
    if (!parents.has(h.name)) return countOf(h) * sizeFrom(index + 1, known);
    // Values that no condition names all have the same combinations below them.
    const named = new Set(space.flatMap((other) => conditionValues(other, h.name)));
    const size = (value: HyperparameterValue | null): number => sizeFrom(index + 1, new Map(known).set(h.name, value));
    const sum = [...named].reduce<number>((total, value) => total + size(value), 0);
    const others = countOf(h) - named.size;
    return others > 0 ? sum + others * size(null) : sum;
  };
  return sizeFrom(0, new Map());
}

const conditionValues = (h: Hyperparameter, name: string) =>
  h.conditions.filter((condition) => condition.name === name).flatMap(({ values }) => values);

/** A hyperparameter in words: `float from 0.0001 to 0.1, log`, `choice of "relu", "tanh"`. */
export function describe(h: Hyperparameter): string {
  if (h.kind === 'fixed') return `fixed ${formatValue(h.value)}`;
  if (h.kind === 'boolean') return 'boolean';
  if (h.kind === 'choice') return `${h.ordered ? 'ordered ' : ''}choice of ${h.values.map(formatValue).join(', ')}`;
  const hasStep = h.step !== null && h.step !== 1;
  const step = !hasStep ? '' : h.sampling === 'log' ? ` by factors of ${h.step}` : ` by steps of ${h.step}`;
  return `${h.kind} from ${h.min} to ${h.max}${step}${h.sampling === 'log' ? ', log' : ''}`;
}

/** Whether two hyperparameters have the same name, kind and values; conditions and defaults are not compared. */
export const hasSameValues = (a: Hyperparameter, b: Hyperparameter): boolean =>
  a === b || (a.name === b.name && keyOf(a) === keyOf(b)); // the name first, because searchers compare many

function keyOf(h: Hyperparameter): string {
  const { kind, min, max, step, sampling, values, ordered, value } = h as Partial<Record<string, unknown>>;
  return JSON.stringify([kind, min, max, step, sampling, values, ordered, value]);
}

/** Whether a hyperparameter can have a value. */
export function isValueOf(h: Hyperparameter, value: unknown): boolean {
  if (!isContinuous(h)) return indexOf(h, value as HyperparameterValue) >= 0;
  const { min, max } = h as Numeric;
  return typeof value === 'number' && value >= min && value <= max;
}

/**
 * @param subject begins the message
 * @throws ArgumentError for a value that the hyperparameter cannot have: of another kind, out of range or between two steps
 */
export function checkValue(subject: string, h: Hyperparameter, value: unknown): HyperparameterValue {
  if (isValueOf(h, value)) return value as HyperparameterValue;
  throw new ArgumentError(
    `${subject}: ${formatValue(value)} is not a value of ${h.name}, a ${describe(h)}; give one of its values, or leave it out`,
  );
}
