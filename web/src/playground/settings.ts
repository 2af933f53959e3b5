import { DATA_SETS, type DataOptions, HALF_WIDTH, type Point, SAMPLES } from './data.ts';

export const ACTIVATIONS = ['tanh', 'relu', 'leakyRelu', 'sigmoid', 'linear'] as const;
export const OPTIMIZERS = ['sgd', 'momentum', 'rmsprop', 'adam'] as const;
export const PENALTIES = ['none', 'l1', 'l2'] as const;
export const MAX_LAYERS = 5;
export const MAX_UNITS = 8;
export const MAX_POINTS = 200;
export const MAX_SEED = 999_999;

/** All settings of a training: the same settings give the same bits on the same adapter. */
export interface Settings extends DataOptions {
  /** Points that the user placed, in addition to those of the data set; coordinates are multiples of 0.01. */
  points: readonly Point[];
  /** Units of each hidden layer. */
  layers: readonly number[];
  activation: (typeof ACTIVATIONS)[number];
  optimizer: (typeof OPTIMIZERS)[number];
  rate: number;
  batch: number;
  penalty: (typeof PENALTIES)[number];
  /** Factor of the penalty; ignored with `none`. */
  strength: number;
  /** Seed of the initial weights; replica r has seed + r. */
  seed: number;
  /** Networks trained at once. */
  replicas: number;
}

/** A setting in the address: its name, default, text and rule. */
interface Field<T> {
  name: string;
  initial: T;
  /** Describes valid values; follows "must be". */
  rule: string;
  /** Returns undefined for an invalid text. */
  parse(text: string): T | undefined;
  format(value: T): string;
}

const oneOf = <T extends string>(name: string, values: readonly T[], initial: T): Field<T> => ({
  ...{ name, initial, rule: `one of ${values.join(', ')}` },
  parse: (text) => values.find((value) => value === text),
  format: (value) => value,
});

const whole = (name: string, min: number, max: number, initial: number): Field<number> => ({
  ...{ name, initial, rule: `a whole number from ${min} to ${max}` },
  parse: (text) => inRange(/^\d{1,9}$/.test(text) ? Number(text) : Number.NaN, min, max),
  format: String,
});

/** @param least minimum as text, because `String(0.00001)` is 1e-5 */
const real = (name: string, least: string, max: number, initial: number): Field<number> => ({
  ...{ name, initial, rule: `a number from ${least} to ${max}` },
  parse: (text) => inRange(/^[\d.]+(e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN, Number(least), max),
  format: String,
});

const inRange = (value: number, min: number, max: number) => (value >= min && value <= max ? value : undefined);

/** The values of a list, or undefined if there are too many or one is impossible. An empty text is an empty list. */
function parseList<T>(text: string, separator: string, most: number, parse: (part: string) => T | undefined) {
  const parts = text === '' ? [] : text.split(separator);
  const values = parts.length > most ? [undefined] : parts.map(parse);
  return values.includes(undefined) ? undefined : (values as T[]);
}

const layers: Field<readonly number[]> = {
  ...{ name: 'layers', initial: [8, 8, 8], rule: `up to ${MAX_LAYERS} layers of 1 to ${MAX_UNITS} units, as in 8-4` },
  parse: (text) =>
    text === '0'
      ? []
      : parseList(text, '-', MAX_LAYERS, (units) => (/^[1-8]$/.test(units) ? Number(units) : undefined)),
  format: (units) => units.join('-') || '0',
};

const points: Field<readonly Point[]> = {
  ...{ name: 'points', initial: [] },
  rule: `up to ${MAX_POINTS} points x.y.class in hundredths, as in -50.125.1_30.0.0`,
  parse: (text) => parseList(text, '_', MAX_POINTS, parsePoint),
  format: (all) => all.map(({ x, y, label }) => `${Math.round(100 * x)}.${Math.round(100 * y)}.${label}`).join('_'),
};

function parsePoint(text: string): Point | undefined {
  const [, x, y, label] = text.match(/^(-?\d{1,3})\.(-?\d{1,3})\.([01])$/) ?? [];
  if (label === undefined) return undefined;
  const [left, up] = [Number(x) / 100 + 0, Number(y) / 100 + 0]; // + 0 turns -0 into 0
  return Math.max(Math.abs(left), Math.abs(up)) <= HALF_WIDTH ? { x: left, y: up, label: Number(label) } : undefined;
}

/** Every setting, in the order of the address. */
export const FIELDS: { [K in keyof Settings]: Field<Settings[K]> } = {
  data: oneOf('data', DATA_SETS, 'spirals'),
  noise: whole('noise', 0, 50, 5),
  share: whole('share', 10, 90, 50),
  dataSeed: whole('data-seed', 0, MAX_SEED, 1),
  points,
  layers,
  activation: oneOf('activation', ACTIVATIONS, 'relu'),
  optimizer: oneOf('optimizer', OPTIMIZERS, 'adam'),
  rate: real('rate', '0.00001', 10, 0.01),
  batch: whole('batch', 1, SAMPLES, 20),
  penalty: oneOf('penalty', PENALTIES, 'none'),
  strength: real('strength', '0', 1, 0.001),
  seed: whole('seed', 0, MAX_SEED, 1),
  replicas: whole('replicas', 1, 8, 1),
};
const KEYS = Object.keys(FIELDS) as (keyof Settings)[];
const fieldOf = (key: keyof Settings) => FIELDS[key] as Field<unknown>;

export const DEFAULTS = Object.fromEntries(KEYS.map((key) => [key, FIELDS[key].initial])) as unknown as Settings;

/** Quotes a text, shortened for a message. */
const quote = (text: string) => JSON.stringify(text.length > 30 ? `${text.slice(0, 30)}...` : text);

/** Parses a setting from the text of a control or of the address. */
export function checkSetting<K extends keyof Settings>(
  key: K,
  text: string,
): { value: Settings[K]; problem?: undefined } | { value?: undefined; problem: string } {
  const { rule, parse } = FIELDS[key];
  const value = parse(text) as Settings[K] | undefined;
  return value === undefined ? { problem: `must be ${rule}, but is ${quote(text)}` } : { value };
}

/**
 * Reads settings from the query of an address. Invalid settings are replaced by their defaults and described in `problems`.
 * @param query with or without the question mark
 */
export function readAddress(query: string): { settings: Settings; problems: string[] } {
  const params = new URLSearchParams(query);
  const problems: string[] = [];
  const read = (key: keyof Settings): unknown => {
    const { name, initial, format } = fieldOf(key);
    const given = params.getAll(name);
    if (given.length === 0) return initial;
    const { value, problem } =
      given.length === 1
        ? checkSetting(key, given[0]!)
        : { problem: `must be given once, but is given ${given.length} times` };
    if (problem === undefined) return value;
    problems.push(`${name} ${problem}; ${format(initial) || 'none'} is used instead.`);
    return initial;
  };
  const settings = Object.fromEntries(KEYS.map((key) => [key, read(key)])) as unknown as Settings;
  const names = KEYS.map((key) => FIELDS[key].name);
  for (const name of new Set(params.keys())) {
    if (names.includes(name)) continue;
    const known = names.join(', ');
    problems.push(`There is no setting ${quote(name)}; the settings are ${known}.`);
  }
  return { settings, problems };
}

/** Query of an address with the settings that differ from the defaults, without a question mark. */
export function addressOf(settings: Settings): string {
  const params = new URLSearchParams();
  for (const key of KEYS) {
    const { name, initial, format } = fieldOf(key);
    const text = format(settings[key]);
    if (text !== format(initial)) params.set(name, text);
  }
  return params.toString();
}

/** Settings that change the networks or the data set, and so need a restart. */
const RESTARTS = ['data', 'noise', 'share', 'dataSeed', 'layers', 'activation', 'seed', 'replicas'] as const;

export const needsRestart = (before: Settings, after: Settings): boolean =>
  RESTARTS.some((key) => fieldOf(key).format(before[key]) !== fieldOf(key).format(after[key]));
