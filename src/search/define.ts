import { checkFlag, checkOptions, checkText, formatValue, type OptionNames, readList } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Hyperparameter, HyperparameterValue } from './record.ts';
import { checkValue } from './space.ts';

/** Distribution of a drawn number: `log` gives every order of magnitude the same probability. */
export type Sampling = 'linear' | 'log';

/** Options of `HyperParameters.int`. */
export interface IntOptions {
  /** Least value. */
  min: number;
  /** Greatest value, included. */
  max: number;
  /** Distance between values, or the factor between them with `sampling: 'log'`; default 1, every integer. */
  step?: number;
  /** Default `linear`. */
  sampling?: Sampling;
  /** Default `min`. */
  default?: number;
}

/** Options of `HyperParameters.float`. */
export interface FloatOptions {
  /** Least value. */
  min: number;
  /** Greatest value, included. */
  max: number;
  /** Distance between values, or the factor between them with `sampling: 'log'`; default: any number of the range. */
  step?: number;
  /** Default `linear`. */
  sampling?: Sampling;
  /** Default `min`. */
  default?: number;
}

/** Options of `HyperParameters.choice`. */
export interface ChoiceOptions<T> {
  /** Whether neighbors in the list have similar effects, which learning searchers can use. Default: true for numbers, else false. */
  ordered?: boolean;
  /** Default the first value. */
  default?: T;
}

/** Options of `HyperParameters.boolean`. */
export interface BooleanOptions {
  /** Default false. */
  default?: boolean;
}

type Conditions = Hyperparameter['conditions'];
const RANGE = { min: true, max: true, step: true, sampling: true, default: true } as const;
/** Names of a range's options in other libraries, for hints. */
const RANGE_HINTS = Object.fromEntries(
  Object.entries({ min: ['minValue', 'min_value', 'low'], max: ['maxValue', 'max_value', 'high'] }).flatMap(
    ([option, names]) => names.map((name) => [name, `it is ${option} here`] as const),
  ),
);
const SAMPLINGS: readonly unknown[] = ['linear', 'log'];

/** Prefix of the names of a searcher's values. */
export const TUNER_PREFIX = 'tuner/';

/** @throws ArgumentError for a name that is empty, begins with `tuner/`, or is a property of every object: values are stored in objects */
export function checkName(subject: string, name: unknown): asserts name is string {
  checkText(`${subject}: name`, name);
  if ((name as string).startsWith(TUNER_PREFIX) || (name as string) in {}) {
    const next = (name as string) in {} ? 'choose another one' : 'choose one that does not begin with tuner/';
    throw new ArgumentError(`${subject}: ${formatValue(name)} is a reserved name; ${next}`);
  }
}

/** @throws ArgumentError for an impossible range, step or default */
export function defineInt(name: string, options: IntOptions, conditions: Conditions): Hyperparameter {
  const subject = `hp.int(${formatValue(name)})`;
  const { min, max, step, sampling } = checkRange(subject, options);
  for (const [option, value] of Object.entries({ min, max, step })) {
    if (value === undefined || Number.isSafeInteger(value)) continue;
    throw new ArgumentError(
      `${subject}: ${option} must be an integer, but is ${formatValue(value)}; hp.float takes fractions`,
    );
  }
  const range = { min, max, sampling, step: step ?? 1, default: options.default ?? min };
  return withDefault(subject, { kind: 'int', name, conditions, ...range });
}

/** @throws ArgumentError for an impossible range, step or default */
export function defineFloat(name: string, options: FloatOptions, conditions: Conditions): Hyperparameter {
  const subject = `hp.float(${formatValue(name)})`;
  const { min, max, step, sampling } = checkRange(subject, options);
  const range = { min, max, sampling, step: step ?? null, default: options.default ?? min };
  return withDefault(subject, { kind: 'float', name, conditions, ...range });
}

/** @throws ArgumentError for an empty list, values of several types, repeated values and an impossible default */
export function defineChoice<T extends HyperparameterValue>(
  name: string,
  values: readonly T[],
  options: ChoiceOptions<T>,
  conditions: Conditions,
): Hyperparameter {
  const subject = `hp.choice(${formatValue(name)})`;
  checkOptions(subject, options, { ordered: true, default: true } satisfies OptionNames<ChoiceOptions<T>>);
  const list = readList(subject, values);
  if (!list?.length) {
    throw new ArgumentError(`${subject}: values must be a list of at least one value, but are ${formatValue(values)}`);
  }
  for (const value of list) checkPlain(subject, value);
  const [first] = list as HyperparameterValue[];
  const other = list.find((value) => typeof value !== typeof first);
  if (other !== undefined) {
    throw new ArgumentError(
      `${subject}: values must be of one type, but ${formatValue(first)} and ${formatValue(other)} are not`,
    );
  }
  const duplicate = list.find((value, index) => list.indexOf(value) !== index);
  if (duplicate !== undefined)
    throw new ArgumentError(`${subject}: ${formatValue(duplicate)} is listed twice; list each value once`);
  const ordered =
    options.ordered === undefined ? typeof first === 'number' : checkFlag(subject, 'ordered', options.ordered);
  const plainValues = list as HyperparameterValue[];
  return withDefault(subject, {
    kind: 'choice',
    name,
    conditions,
    values: plainValues,
    ordered,
    default: options.default ?? first!,
  });
}

/** @throws ArgumentError for a default that is neither true nor false */
export function defineBoolean(name: string, options: BooleanOptions, conditions: Conditions): Hyperparameter {
  const subject = `hp.boolean(${formatValue(name)})`;
  checkOptions(subject, options, { default: true });
  return { kind: 'boolean', name, conditions, default: checkFlag(subject, 'default', options.default ?? false) };
}

/** @throws ArgumentError unless the value is a finite number, text, true or false */
export function defineFixed(name: string, value: HyperparameterValue, conditions: Conditions): Hyperparameter {
  return { kind: 'fixed', name, conditions, value: checkPlain(`hp.fixed(${formatValue(name)})`, value) };
}

/** @throws ArgumentError unless the value is a finite number, text, true or false: JSON cannot hold others */
export function checkPlain(subject: string, value: unknown): HyperparameterValue {
  if (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return value as never;
  throw new ArgumentError(
    `${subject}: a value is a finite number, text, true or false, but ${formatValue(value)} was given`,
  );
}

function withDefault(subject: string, h: Hyperparameter & { default: HyperparameterValue }): Hyperparameter {
  checkValue(`${subject}: default`, h, h.default);
  return h;
}

function checkRange(subject: string, options: IntOptions | FloatOptions) {
  checkOptions(subject, options, RANGE, [], RANGE_HINTS);
  const { min, max, step, sampling = 'linear' } = options;
  for (const [option, value] of Object.entries({ min, max })) {
    if (Number.isFinite(value)) continue;
    throw new ArgumentError(`${subject}: ${option} must be a finite number, but is ${formatValue(value)}`);
  }
  if (min > max) {
    throw new ArgumentError(`${subject}: min must be at most max, but ${min} is above ${max}; exchange the two`);
  }
  if (!SAMPLINGS.includes(sampling)) {
    throw new ArgumentError(`${subject}: sampling must be 'linear' or 'log', but is ${formatValue(sampling)}`);
  }
  const isLog = sampling === 'log';
  if (isLog && min <= 0) {
    throw new ArgumentError(
      `${subject}: with sampling 'log', min must be above 0, but is ${min}; raise min or use 'linear'`,
    );
  }
  if (!Number.isFinite(isLog ? max / min : max - min)) {
    throw new ArgumentError(
      `${subject}: the range from ${min} to ${max} is wider than a number can hold; give a narrower range`,
    );
  }
  const smallest = isLog ? 1 : 0;
  if (step !== undefined && !(Number.isFinite(step) && step > smallest)) {
    const rule = isLog ? "a factor above 1, as sampling is 'log'" : 'above 0';
    throw new ArgumentError(`${subject}: step must be ${rule}, but is ${formatValue(step)}`);
  }
  return { min, max, step, sampling };
}
