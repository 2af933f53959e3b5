import {
  checkFunction,
  checkObject,
  checkOptions,
  checkSurplus,
  formatValue,
  nearName,
  readList,
  tryRead,
} from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import {
  type BooleanOptions,
  type ChoiceOptions,
  checkName,
  checkPlain,
  defineBoolean,
  defineChoice,
  defineFixed,
  defineFloat,
  defineInt,
  type FloatOptions,
  type IntOptions,
  TUNER_PREFIX,
} from './define.ts';
import type { Hyperparameter, HyperparameterValue, HyperparameterValues } from './record.ts';
import { checkValue, describe, hasSameValues } from './space.ts';

/** The method whose result Node's console shows: `util.inspect.custom`, without the types of Node. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** Chooses a value for a hyperparameter; `values` are those that the builder got so far. */
export type Draw = (hyperparameter: Hyperparameter, values: HyperparameterValues) => HyperparameterValue;

/** Options of `new HyperParameters`. */
export interface HyperParametersOptions {
  /** Preset values by name: of hyperparameters that the builder will request, or of the searcher (`tuner/...`). */
  values?: HyperparameterValues;
  /** Chooses all other values; default: their defaults. */
  draw?: Draw;
}

type Condition = Hyperparameter['conditions'][number];

/**
 * The source of a builder's hyperparameters, modeled on KerasTuner's class of the same name.
 *
 *     const build = (hp) => {
 *       const units = hp.int('units', { min: 16, max: 128, step: 16 });
 *       const rate = hp.float('rate', { min: 1e-4, max: 1e-1, sampling: 'log' });
 *
 * A hyperparameter exists as soon as it is requested, so a builder may request some only if others have certain values.
 * A second request for a name returns the same value.
 */
export class HyperParameters {
  private readonly givenValues: Map<string, HyperparameterValue>;
  private readonly draw: Draw;
  private readonly chosenValues = new Map<string, HyperparameterValue>();
  private readonly definitions = new Map<string, Hyperparameter>();
  private readonly conditions: Condition[] = [];
  private readonly skipped: Condition[][] = [];

  /** @throws ArgumentError for values other than finite numbers, text, true and false */
  constructor(options: HyperParametersOptions = {}, ...surplus: never[]) {
    const subject = 'HyperParameters';
    const { values = {}, draw } = checkOptions(subject, options, { values: true, draw: true }, surplus);
    checkObject(`${subject}: values`, values);
    this.givenValues = new Map(tryRead(`${subject}: values`, () => Object.entries(values)));
    for (const [name, value] of this.givenValues) checkPlain(`${subject}: ${formatValue(name)}`, value);
    if (draw !== undefined) checkFunction(`${subject}: draw`, draw);
    this.draw = draw ?? ((h) => (h.kind === 'fixed' ? h.value : h.default));
  }

  /**
   * An integer from `min` to `max`, both included.
   * @throws ArgumentError for an impossible name or range, or another range than before for the same name
   */
  int(name: string, options: IntOptions, ...surplus: never[]): number {
    checkRangeIsNamed('hp.int', options, surplus);
    checkName('hp.int', name);
    return this.request(defineInt(name, options, [...this.conditions])) as number;
  }

  /**
   * A number from `min` to `max`, both included.
   * @throws ArgumentError for an impossible name or range, or another range than before for the same name
   */
  float(name: string, options: FloatOptions, ...surplus: never[]): number {
    checkRangeIsNamed('hp.float', options, surplus);
    checkName('hp.float', name);
    return this.request(defineFloat(name, options, [...this.conditions])) as number;
  }

  /**
   * One of some values, which are all numbers, all text, or all true and false.
   * @throws ArgumentError for an impossible name or list, or another list than before for the same name
   */
  choice<const T extends HyperparameterValue>(
    name: string,
    values: readonly T[],
    options: ChoiceOptions<NoInfer<T>> = {},
    ...surplus: never[]
  ): T {
    checkSurplus('hp.choice', surplus);
    checkName('hp.choice', name);
    return this.request(defineChoice(name, values, options, [...this.conditions])) as T;
  }

  /** Returns true or false. @throws ArgumentError for an invalid name, or one of another kind */
  boolean(name: string, options: BooleanOptions = {}, ...surplus: never[]): boolean {
    checkSurplus('hp.boolean', surplus);
    checkName('hp.boolean', name);
    return this.request(defineBoolean(name, options, [...this.conditions])) as boolean;
  }

  /** Returns `value` and records it with the others, without searching it. @throws ArgumentError if the name has another kind or value */
  fixed<const T extends HyperparameterValue>(name: string, value: T, ...surplus: never[]): T {
    checkSurplus('hp.fixed', surplus);
    checkName('hp.fixed', name);
    return this.request(defineFixed(name, value, [...this.conditions])) as T;
  }

  /**
   * Requests hyperparameters that exist only if another one has one of some values. If the condition does not hold, `body` is not
   * called; in KerasTuner the code of a scope always runs, and its hyperparameters are None then.
   * @returns the result of `body`, or undefined if the condition does not hold
   * @throws ArgumentError unless the parent was requested before and can have these values
   */
  conditionalScope<T>(
    parentName: string,
    values: readonly HyperparameterValue[],
    body: () => T,
    ...surplus: never[]
  ): T | undefined {
    checkSurplus('hp.conditionalScope', surplus);
    const subject = `hp.conditionalScope(${formatValue(parentName)})`;
    const parent = this.definitions.get(parentName);
    if (parent === undefined) throw this.unknownNameError(subject, parentName);
    const list = readList(subject, values);
    if (!list?.length) {
      throw new ArgumentError(
        `${subject}: values must be a list of at least one value of the parent, but are ${formatValue(values)}`,
      );
    }
    checkFunction(subject, body);
    for (const value of list) checkValue(subject, parent, value);
    const condition = { name: parentName, values: list as HyperparameterValue[] };
    if (!list.includes(this.chosenValues.get(parentName))) {
      this.skipped.push([...this.conditions, condition]);
      return undefined;
    }
    this.conditions.push(condition);
    try {
      const result = body();
      if (typeof (result as { then?: unknown } | null | undefined)?.then !== 'function') return result;
      (result as PromiseLike<unknown>).then(undefined, () => {}); // the error below is thrown instead
      throw new ArgumentError(
        `${subject}: the function must not be async: hyperparameters that it requests later would have no condition`,
      );
    } finally {
      this.conditions.pop();
    }
  }

  /** Returns the value of a hyperparameter that was requested or preset. @throws ArgumentError for others */
  get(name: string, ...surplus: never[]): HyperparameterValue {
    checkSurplus('hp.get', surplus);
    const value = this.chosenValues.get(name) ?? this.givenValues.get(name);
    if (value === undefined) throw this.unknownNameError('hp.get', name);
    return value;
  }

  /** A copy of all values by name: the requested ones in the order of the requests, then the preset ones that were not requested. */
  get values(): HyperparameterValues {
    const rest = [...this.givenValues].filter(([name]) => !this.chosenValues.has(name));
    return Object.fromEntries([...this.chosenValues, ...rest]);
  }

  /** The requested hyperparameters, in the order of the requests. */
  get asked(): readonly Hyperparameter[] {
    return [...this.definitions.values()];
  }

  /** Names of preset values that were not requested, without those of the searcher. */
  get unasked(): string[] {
    return [...this.givenValues.keys()].filter(
      (name) => !this.chosenValues.has(name) && !name.startsWith(TUNER_PREFIX),
    );
  }

  /** The conditions of each conditional scope that was not entered, from the outermost to the innermost. */
  get skippedScopes(): readonly (readonly Condition[])[] {
    return this.skipped;
  }

  /** Returns what `console.log` shows: the values by name. */
  [INSPECT](): HyperparameterValues {
    return this.values;
  }

  private request(h: Hyperparameter): HyperparameterValue {
    const earlier = this.definitions.get(h.name);
    if (earlier !== undefined) {
      if (hasSameValues(earlier, h)) return this.chosenValues.get(h.name)!;
      throw new ArgumentError(
        `hp: ${h.name} is asked for as a ${describe(earlier)} and as a ${describe(h)}; give one of the two another name`,
      );
    }
    const given = this.givenValues.get(h.name);
    const value =
      given === undefined
        ? checkValue('draw', h, h.kind === 'fixed' ? h.value : this.draw(h, this.values))
        : checkValue('HyperParameters: values', h, given);
    this.definitions.set(h.name, h);
    this.chosenValues.set(h.name, value);
    return value;
  }

  private unknownNameError(subject: string, name: unknown): ArgumentError {
    const names = [...this.chosenValues.keys()];
    const near = typeof name === 'string' ? nearName(name, names) : undefined;
    const known = names.length > 0 ? `there are ${names.join(', ')}` : 'none was asked for yet';
    return new ArgumentError(
      `${subject}: no hyperparameter ${formatValue(name)} was asked for${near ? `; did you mean ${near}?` : ''} (${known})`,
    );
  }
}

/** @throws ArgumentError for a range given as two arguments, as in Optuna, and for surplus arguments */
function checkRangeIsNamed(subject: string, options: unknown, surplus: readonly unknown[]): void {
  const [max] = surplus;
  if (typeof options === 'number' && typeof max === 'number') {
    throw new ArgumentError(`${subject}: the range is given by name: { min: ${options}, max: ${max} }`);
  }
  checkSurplus(subject, surplus);
}
