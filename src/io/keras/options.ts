import { formatValue } from '../../base/check.ts';
import type { ActivationName } from '../../nn/index.ts';
import { isObject, type Json } from './config.ts';

/** Options of a layer of tilegrad, by name. */
export type Options = Record<string, unknown>;

/**
 * Converts an option of Keras: returns options of tilegrad's layer, or a text that states the supported values, such as `must be 1`.
 * Options that a file leaves out, because older versions of Keras did not have them, have Keras's default.
 */
export type Rule = (value: unknown) => Options | string;

/** Passes the option under another name. The layer itself checks the value. */
export const passAs =
  (name: string): Rule =>
  (value) =>
    value === null ? {} : { [name]: value };

/** For an option that does not change what the layer computes here. */
export const ignored: Rule = () => ({});

/** Accepts only values that mean what the layer does here. Null counts as left out. */
export const mustBe =
  (...values: (string | number | boolean)[]): Rule =>
  (value) => {
    const flat = Array.isArray(value) ? value : [value];
    const isKnown = value === null || (flat.length > 0 && flat.every((entry) => values.includes(entry as never)));
    return isKnown ? {} : `must be ${values.map(formatValue).join(' or ')}`;
  };

/** For an option that must be left out. */
export const mustBeAbsent: Rule = (value) => (value === null || value === false ? {} : 'must be left out');

const ACTIVATIONS: Record<string, ActivationName> = {
  linear: 'linear',
  relu: 'relu',
  relu6: 'relu6',
  leaky_relu: 'leakyRelu',
  elu: 'elu',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  softplus: 'softplus',
  gelu: 'gelu',
  softmax: 'softmax',
};

/** An activation by its name, or as Keras 3 writes a function: `{ class_name: 'function', config: 'relu' }`. */
export const activation: Rule = (value) => {
  if (value === null) return {};
  const name = isObject(value) && value.class_name === 'function' ? value.config : value;
  if (typeof name === 'string' && Object.hasOwn(ACTIVATIONS, name)) return { activation: ACTIVATIONS[name] };
  return `must be one of ${Object.keys(ACTIVATIONS).join(', ')}`;
};

/** `GlorotUniform` and `glorot_uniform` -> `glorotuniform`. */
const normalizeName = (name: unknown): string =>
  typeof name === 'string' ? name.replaceAll('_', '').toLowerCase() : '';

const INITIALIZERS = [
  'zeros',
  'ones',
  'glorotUniform',
  'glorotNormal',
  'heUniform',
  'heNormal',
  'lecunUniform',
  'lecunNormal',
];
/** Names of Keras's VarianceScaling with certain options. */
const VARIANCE_SCALINGS: Record<string, string> = {
  '1 fan_avg uniform': 'glorotUniform',
  '1 fan_avg truncated_normal': 'glorotNormal',
  '2 fan_in uniform': 'heUniform',
  '2 fan_in truncated_normal': 'heNormal',
  '1 fan_in uniform': 'lecunUniform',
  '1 fan_in truncated_normal': 'lecunNormal',
};

/**
 * The initializer of a weight. The weights of the file replace its values, so an initializer that is not supported here is left out. Seeds
 * are left out, too, because `build` has one for all weights.
 */
export const initializer =
  (name: string): Rule =>
  (value) => {
    const { class_name: className, config } = isObject(value) ? value : { class_name: value, config: null };
    const options = isObject(config) ? config : {};
    const known =
      INITIALIZERS.find((candidate) => normalizeName(candidate) === normalizeName(className)) ??
      parameterizedInitializer(normalizeName(className), options);
    return known === undefined ? {} : { [name]: known };
  };

function parameterizedInitializer(kind: string, { scale, mode, distribution, ...options }: Json): unknown {
  const numbers = (names: Record<string, string>) => {
    const entries = Object.entries(names).filter(([keras]) => typeof options[keras] === 'number');
    return Object.fromEntries(entries.map(([keras, name]) => [name, options[keras]]));
  };
  if (kind === 'variancescaling')
    return VARIANCE_SCALINGS[`${scale} ${mode} ${distribution === 'normal' ? 'truncated_normal' : distribution}`];
  if (kind === 'constant' && typeof options.value === 'number') return { name: 'constant', value: options.value };
  if (kind === 'randomnormal') return { name: 'randomNormal', ...numbers({ mean: 'mean', stddev: 'stddev' }) };
  if (kind === 'truncatednormal') return { name: 'truncatedNormal', ...numbers({ mean: 'mean', stddev: 'stddev' }) };
  if (kind === 'randomuniform') return { name: 'randomUniform', ...numbers({ minval: 'min', maxval: 'max' }) };
  return kind === 'orthogonal' ? { name: 'orthogonal', ...numbers({ gain: 'gain' }) } : undefined;
}

/** Returns the rates of `L1`, `L2` and `L1L2`; null for anything else. */
function ratesOf(value: unknown): { l1: number; l2: number } | null {
  if (!isObject(value) || !['l1', 'l2', 'l1l2'].includes(normalizeName(value.class_name)) || !isObject(value.config))
    return null;
  const { l1 = 0, l2 = 0 } = value.config;
  return typeof l1 === 'number' && typeof l2 === 'number' ? { l1, l2 } : null;
}

/** A penalty on a weight: null, L1, L2 or both. */
export const regularizer =
  (name: string): Rule =>
  (value) => {
    if (value === null) return {};
    const rates = ratesOf(value);
    return rates ? { [name]: rates } : 'must be L1, L2 or both';
  };

/** A penalty that does not exist here: it must be left out or have rates of 0. */
export const noPenalty: Rule = (value) => {
  const rates = ratesOf(value);
  return value === null || (rates && rates.l1 === 0 && rates.l2 === 0)
    ? {}
    : 'must be left out: there is no such penalty here';
};

/** The type in which a layer computes. Here, all weights and results are f32. */
export const dtype: Rule = (value) => {
  const name = isObject(value) && isObject(value.config) ? value.config.name : value;
  const isKnown = name === null || ['float32', 'mixed_float16', 'mixed_bfloat16'].includes(name as string);
  return isKnown ? {} : 'must be float32';
};
