/** Settings of the training, which are in the address of the page. */
export interface Settings {
  data: DataName;
  network: NetworkName;
  /** Units of an MLP's hidden layers; LeNet-5 has its own. */
  layers: readonly number[];
  activation: ActivationName;
  optimizer: OptimizerName;
  rate: number;
  batch: number;
  penalty: PenaltyName;
  /** Factor of the penalty; ignored with `none`. */
  strength: number;
  /** Number of networks trained at once; network r has seed `seed + r`. */
  replicas: number;
  seed: number;
}

export const DATA = { mnist: 'MNIST', cifar10: 'CIFAR-10' } as const;
export const NETWORKS = { lenet5: 'LeNet-5', mlp: 'MLP' } as const;
export const ACTIVATIONS = { relu: 'ReLU', tanh: 'tanh', sigmoid: 'sigmoid' } as const;
export const OPTIMIZERS = { adam: 'Adam', rmsprop: 'RMSprop', momentum: 'SGD, momentum 0.9', sgd: 'SGD' } as const;
export const PENALTIES = { none: 'none', l2: 'L2', l1: 'L1' } as const;

export type DataName = keyof typeof DATA;
export type NetworkName = keyof typeof NETWORKS;
export type ActivationName = keyof typeof ACTIVATIONS;
export type OptimizerName = keyof typeof OPTIMIZERS;
export type PenaltyName = keyof typeof PENALTIES;

/** Default learning rates for the networks of the page. */
export const DEFAULT_RATES: Readonly<Record<OptimizerName, number>> = {
  adam: 0.002,
  rmsprop: 0.001,
  momentum: 0.02,
  sgd: 0.1,
};

export const DEFAULTS: Settings = {
  data: 'mnist',
  network: 'lenet5',
  layers: [128, 64],
  activation: 'relu',
  optimizer: 'adam',
  rate: DEFAULT_RATES.adam,
  batch: 64,
  penalty: 'none',
  strength: 0.001,
  replicas: 1,
  seed: 1,
};

/** Smallest and largest value of each number. */
export const RANGES = {
  rate: [1e-6, 10],
  batch: [1, 1024],
  strength: [1e-6, 1],
  replicas: [1, 10],
  seed: [0, 2 ** 31 - 1],
  units: [1, 8192],
} as const;
/** Most hidden layers of an MLP. */
export const MAX_LAYERS = 6;

const NAMES = Object.keys(DEFAULTS) as (keyof Settings)[];

/**
 * Reads the settings of an address. Missing and invalid settings get their defaults. `problems` has a sentence for each invalid
 * one; `reasons` has the same without the value that is used instead.
 * @param params query of the address, such as `new URLSearchParams(location.search)`
 */
export function settingsFrom(params: URLSearchParams): { settings: Settings; problems: string[]; reasons: string[] } {
  const problems: string[] = [];
  const reasons: string[] = [];
  /** The value that `read` parses from the text, or the default if it throws a Refusal. */
  const readSetting = <T>(name: keyof Settings, fallback: T, read: (text: string) => T): T => {
    const texts = params.getAll(name);
    if (texts.length === 0) return fallback;
    try {
      if (texts.length > 1) throw new Refusal(`is given ${texts.length} times`);
      return read(texts[0]!);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      reasons.push(`${name} ${error.message}.`);
      problems.push(`${name} ${error.message}; ${formatSetting(fallback)} is used instead.`);
      return fallback;
    }
  };
  const unknown = [...new Set(params.keys())].filter((name) => !(NAMES as string[]).includes(name));
  for (const name of unknown) {
    const reason = `There is no setting ${quote(name)}; the settings are ${NAMES.join(', ')}.`;
    reasons.push(reason);
    problems.push(reason);
  }
  const optimizer = readSetting('optimizer', DEFAULTS.optimizer, oneOf(OPTIMIZERS));
  const settings = {
    data: readSetting('data', DEFAULTS.data, oneOf(DATA)),
    network: readSetting('network', DEFAULTS.network, oneOf(NETWORKS)),
    layers: readSetting('layers', DEFAULTS.layers, readLayers),
    activation: readSetting('activation', DEFAULTS.activation, oneOf(ACTIVATIONS)),
    optimizer,
    rate: readSetting('rate', DEFAULT_RATES[optimizer], numberIn(...RANGES.rate)),
    batch: readSetting('batch', DEFAULTS.batch, integerIn(...RANGES.batch)),
    penalty: readSetting('penalty', DEFAULTS.penalty, oneOf(PENALTIES)),
    strength: readSetting('strength', DEFAULTS.strength, numberIn(...RANGES.strength)),
    replicas: readSetting('replicas', DEFAULTS.replicas, integerIn(...RANGES.replicas)),
    seed: readSetting('seed', DEFAULTS.seed, integerIn(...RANGES.seed)),
  };
  return { settings, problems, reasons };
}

/** The settings as the query of an address, for `settingsFrom`. Settings without effect are left out. */
export function addressOf(settings: Settings): string {
  const params = new URLSearchParams();
  for (const name of NAMES) if (hasEffect(name, settings)) params.set(name, formatSetting(settings[name]));
  return params.toString();
}

/** Whether a setting changes what is trained, given the others. */
export const hasEffect = (name: keyof Settings, { network, penalty }: Settings): boolean =>
  (name !== 'layers' || network === 'mlp') && (name !== 'strength' || penalty !== 'none');

/** A value in the form of the address and of messages: `128-64`. */
export const formatSetting = (value: unknown): string =>
  Array.isArray(value) ? value.join('-') || '0' : String(value);

/** Why a text is not a valid value of a setting. */
class Refusal extends Error {}

const quote = (text: string) => `"${text.length > 30 ? `${text.slice(0, 30)}...` : text}"`;

const oneOf =
  <T extends object>(values: T) =>
  (text: string): keyof T => {
    if (Object.hasOwn(values, text)) return text as keyof T;
    throw new Refusal(`must be one of ${Object.keys(values).join(', ')}, but is ${quote(text)}`);
  };

/** A number in decimal notation; NaN for other texts that `Number` accepts ('', '0x10', 'Infinity'). */
function toNumber(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

const numberIn = (least: number, most: number) => (text: string) => {
  const value = toNumber(text);
  if (value >= least && value <= most) return value;
  throw new Refusal(`must be a number from ${least} to ${most}, but is ${quote(text)}`);
};

const integerIn = (least: number, most: number) => (text: string) => {
  const value = toNumber(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Refusal(`must be an integer from ${least} to ${most}, but is ${quote(text)}`);
};

/** Units of hidden layers, such as `128-64`; `0` for none. */
export function readLayers(text: string): readonly number[] {
  if (text.trim() === '0' || text.trim() === '') return [];
  const units = text.split(/[-,\s]+/).map(toNumber);
  const [least, most] = RANGES.units;
  if (units.length > MAX_LAYERS || !units.every((n) => Number.isInteger(n) && n >= least && n <= most)) {
    throw new Refusal(
      `must be up to ${MAX_LAYERS} integers from ${least} to ${most}, such as 128-64, but is ${quote(text)}`,
    );
  }
  return units;
}
