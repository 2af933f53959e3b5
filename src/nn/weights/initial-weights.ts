import { type Numbers, readNumbers, type ShapedNumbers, toNumber } from '../../autograd/host-data.ts';
import { checkOptions, formatValue, nearName, tryRead } from '../../base/check.ts';
import { ArgumentError, DataError, ShapeError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape } from '../../kernels/array.ts';
import type { InitialValues } from './weight.ts';

/** Options of `Model.setInitialWeights`. */
export interface InitialWeightsOptions {
  /** Whether weights may be missing. A missing weight keeps values given before; otherwise its initializer draws them. Default false. */
  partial?: boolean;
}

/**
 * Checks values for the weights of a model that is not built yet.
 * @param title title of the model, for messages
 * @returns f32 values by the weights' names: each given `Float32Array` itself, other arrays as copies
 * @throws ArgumentError for an unknown weight, and for a missing weight unless `partial`; ShapeError for values of another shape;
 *   DataError for a value that is not finite
 */
export function readInitialWeights(
  title: string,
  weights: readonly { name: string; shape: Shape }[],
  values: ReadonlyMap<string, ShapedNumbers>,
  options: InitialWeightsOptions,
): Map<string, Float32Array> {
  const { partial = false } = checkOptions('setInitialWeights', options, { partial: true });
  const given = tryRead('setInitialWeights', () => (values instanceof Map ? [...values] : []));
  if (!(values instanceof Map) || !given.every(([name]) => typeof name === 'string')) {
    throw new ArgumentError(
      `${title}: setInitialWeights takes a Map of { shape, data } by the names of weights, but was given ${formatValue(values)}`,
    );
  }
  const shapes = new Map(weights.map(({ name, shape }) => [name, shape]));
  const read = given.map(([name, numbers]): [string, Float32Array] => {
    const shape = shapes.get(name);
    if (!shape) {
      const near = nearName(name, [...shapes.keys()]);
      const advice = near === undefined ? `its first is ${weights[0]?.name ?? 'none'}` : `did you mean ${near}?`;
      throw new ArgumentError(`${title}: setInitialWeights: there is no weight ${name}; ${advice}`);
    }
    return [name, readWeight(`${title}: ${name}`, shape, numbers)];
  });
  const missing = partial ? [] : weights.filter(({ name }) => !values.has(name));
  if (missing.length > 0) {
    const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
    throw new ArgumentError(
      `${title}: setInitialWeights: there are no values for ${missing[0]!.name}${more}; give them, or give { partial: true } to draw them`,
    );
  }
  return new Map(read);
}

/**
 * `readInitialWeights` for each replica. The result has a list of values for each name; undefined for a replica that draws them.
 * @throws as `readInitialWeights`; ArgumentError for an empty list
 */
export function readInitialWeightsOfReplicas(
  title: string,
  weights: readonly { name: string; shape: Shape }[],
  list: readonly ReadonlyMap<string, ShapedNumbers>[],
  options: InitialWeightsOptions,
): Map<string, InitialValues> {
  if (list.length === 0) {
    throw new ArgumentError(`${title}: setInitialWeights: the list needs a Map for each replica, but is empty`);
  }
  const read = list.map((values) => readInitialWeights(title, weights, values, options));
  const names = new Set(read.flatMap((values) => [...values.keys()]));
  return new Map([...names].map((name) => [name, read.map((values) => values.get(name))]));
}

/** Values of one weight as f32. @throws ShapeError, DataError, ArgumentError */
export function readWeight(subject: string, shape: Shape, numbers: Numbers): Float32Array {
  const { flat, shape: given } = readNumbers(subject, numbers);
  if (!sameShape(given ?? [flat.length], shape)) {
    throw new ShapeError(
      `${subject} has shape ${showShape(shape)}, but its values have ${showShape(given ?? [flat.length])}`,
    );
  }
  const values =
    flat instanceof Float32Array ? flat : Float32Array.from(flat, (_, i) => toNumber(flat, i) ?? Number.NaN);
  const nonFinite = values.findIndex((value) => !Number.isFinite(value));
  if (nonFinite < 0) return values;
  throw new DataError(
    `${subject}: value ${nonFinite} is ${formatValue(flat[nonFinite])}, but weights must be finite numbers of 32 bits; give other values`,
  );
}
