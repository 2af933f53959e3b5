import { checkF32, checkOptions, checkShape, checkSurplus, formatValue, readList, tryRead } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import type { RandomStream } from '../../base/random.ts';
import { type Shape, showShape, sizeOf } from '../../kernels/array.ts';
import { orthonormalColumns } from './orthonormal.ts';

/**
 * Returns the initial values of a weight of the given shape, in row-major order. `random` is a separate stream for each weight;
 * `random.uniform()` returns its next number, in [0, 1).
 */
export interface Initializer {
  (shape: Shape, random: RandomStream): Float32Array<ArrayBuffer>;
  /** What a model file holds instead of the function, for the initializers here that take numbers. */
  readonly config?: InitializerConfig;
}

/** An initializer that takes numbers, as JSON: `{ name: 'constant', value: 2 }`. */
export interface InitializerConfig {
  /** The initializer's name, such as `constant`. */
  name: keyof typeof parameterized;
  [number: string]: unknown;
}

/** Adds to an initializer the config from which it can be created again. */
const withConfig = (initializer: Initializer, name: InitializerConfig['name'], numbers: object): Initializer =>
  Object.assign(initializer, { config: { name, ...numbers } });

/** Calls `f` for each element, in row-major order. */
const generate = (shape: Shape, f: () => number) => Float32Array.from({ length: sizeOf(shape) }, f);

/** Limit of a weight's elements: 4 GiB, and no adapter binds a larger buffer. */
const MAX_ELEMENTS = 2 ** 30;

/** @throws ArgumentError unless `shape` is a shape, for example if a user calls an initializer: `glorotUniform({ seed: 1 })` */
function checkWeightShape(name: string, shape: Shape): void {
  if (!readList(name, shape)) {
    throw new ArgumentError(
      `${name}: takes the shape of a weight, but was given ${formatValue(shape)}; pass initializers without numbers, such as glorotUniform, ` +
        'without calling them',
    );
  }
  checkShape(name, shape);
  if (sizeOf(shape) > MAX_ELEMENTS) {
    throw new ArgumentError(
      `${name}: a weight has at most 2^30 elements, but its shape is ${showShape(shape)}; use a smaller layer`,
    );
  }
}

/** Adds checks of the arguments to an initializer. */
const withChecks =
  (name: string, initializer: Initializer): Initializer =>
  (shape, random) => {
    checkWeightShape(name, shape);
    if (typeof tryRead(name, () => random?.uniform) !== 'function') {
      throw new ArgumentError(
        `${name}: takes a shape and a stream of random numbers, but was given ${formatValue(random)}`,
      );
    }
    return initializer(shape, random);
  };

/**
 * Connections into and out of one unit, as in Keras: [in, out] for dense kernels, [..., in, out] times the window size for filters, and
 * the length of a vector for both.
 */
function fans(shape: Shape): [fanIn: number, fanOut: number] {
  if (shape.length < 2) return [shape[0] ?? 1, shape[0] ?? 1];
  const window = sizeOf(shape.slice(0, -2));
  return [window * shape.at(-2)!, window * shape.at(-1)!];
}

/** Standard normal, by Box and Muller. */
const drawNormal = (random: RandomStream) =>
  Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());

/** Standard normal, drawn again until it is within two standard deviations. */
function drawTruncatedNormal(random: RandomStream): number {
  for (;;) {
    const z = drawNormal(random);
    if (Math.abs(z) <= 2) return z;
  }
}

/** Standard deviation of a standard normal truncated at two. Keras divides by it, so that the variance is the requested one. */
const TRUNCATED_DEVIATION = 0.87962566103423978;

type Fan = (fanIn: number, fanOut: number) => number;
const averageFan: Fan = (fanIn, fanOut) => (fanIn + fanOut) / 2;
const inputFan: Fan = (fanIn) => fanIn;

/** Keras's VarianceScaling: variance scale / fan, uniform or truncated normal. */
const scaledUniform = (name: string, scale: number, fan: Fan): Initializer =>
  withChecks(name, (shape, random) => {
    const limit = Math.sqrt((3 * scale) / Math.max(1, fan(...fans(shape))));
    return generate(shape, () => (2 * random.uniform() - 1) * limit);
  });
const scaledNormal = (name: string, scale: number, fan: Fan): Initializer =>
  withChecks(name, (shape, random) => {
    const deviation = Math.sqrt(scale / Math.max(1, fan(...fans(shape)))) / TRUNCATED_DEVIATION;
    return generate(shape, () => drawTruncatedNormal(random) * deviation);
  });

/** The same value for each element. */
const constantInitializer =
  (name: string, value: number): Initializer =>
  (shape) => {
    checkWeightShape(name, shape);
    return new Float32Array(sizeOf(shape)).fill(value);
  };

/** Zeros, Keras's default for biases. */
export const zeros: Initializer = constantInitializer('zeros', 0);
/** Ones, the default for the gamma of batch normalization. */
export const ones: Initializer = constantInitializer('ones', 1);

/** Uniform in +-sqrt(6 / (fan in + fan out)), Keras's default for kernels (Glorot and Bengio 2010, eq. 16). */
export const glorotUniform = scaledUniform('glorotUniform', 1, averageFan);
/** Normal of variance 2 / (fan in + fan out), truncated at two standard deviations of the normal it is cut from. */
export const glorotNormal = scaledNormal('glorotNormal', 1, averageFan);
/** Uniform in +-sqrt(6 / fan in), for layers followed by ReLU (He and others 2015). */
export const heUniform = scaledUniform('heUniform', 2, inputFan);
/** Normal of variance 2 / fan in, truncated as in `glorotNormal`. */
export const heNormal = scaledNormal('heNormal', 2, inputFan);
/** Uniform in +-sqrt(3 / fan in). */
export const lecunUniform = scaledUniform('lecunUniform', 1, inputFan);
/** Normal of variance 1 / fan in, truncated as in `glorotNormal`. */
export const lecunNormal = scaledNormal('lecunNormal', 1, inputFan);

function checkFiniteNumbers(subject: string, numbers: Record<string, number>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isFinite(value))
      throw new ArgumentError(`${subject}: ${name} must be a number, but is ${formatValue(value)}`);
    checkF32(`${subject}: ${name}`, value);
  }
}

/** The same value for each element. @throws ArgumentError unless it is a finite number */
export function constant(value: number, ...surplus: never[]): Initializer {
  checkSurplus('constant', surplus);
  checkFiniteNumbers('constant', { value });
  return withConfig(constantInitializer('constant', value), 'constant', { value });
}

/**
 * Normal; Keras's defaults are mean 0 and deviation 0.05.
 * @param options.mean default 0
 * @param options.stddev standard deviation; default 0.05
 * @throws ArgumentError unless both are finite
 */
export function randomNormal(options: { mean?: number; stddev?: number } = {}, ...surplus: never[]): Initializer {
  checkOptions('randomNormal', options, { mean: true, stddev: true }, surplus);
  const { mean = 0, stddev = 0.05 } = options;
  checkFiniteNumbers('randomNormal', { mean, stddev });
  const draw = withChecks('randomNormal', (shape, random) => generate(shape, () => mean + stddev * drawNormal(random)));
  return withConfig(draw, 'randomNormal', { mean, stddev });
}

/**
 * Normal; values further than two `stddev` from the mean are drawn again, as in Keras's TruncatedNormal. The deviation of the result is
 * 0.88 times `stddev`, whereas the truncated normals of Glorot and He are scaled to their nominal variance.
 * @param options.mean default 0
 * @param options.stddev standard deviation before the truncation; default 0.05
 * @throws ArgumentError unless both are finite
 */
export function truncatedNormal(options: { mean?: number; stddev?: number } = {}, ...surplus: never[]): Initializer {
  checkOptions('truncatedNormal', options, { mean: true, stddev: true }, surplus);
  const { mean = 0, stddev = 0.05 } = options;
  checkFiniteNumbers('truncatedNormal', { mean, stddev });
  const draw = withChecks('truncatedNormal', (shape, random) =>
    generate(shape, () => mean + stddev * drawTruncatedNormal(random)),
  );
  return withConfig(draw, 'truncatedNormal', { mean, stddev });
}

/**
 * Uniform from `min` up to `max`; Keras's defaults are -0.05 and 0.05.
 * @param options.min smallest value; default -0.05
 * @param options.max upper bound, not included; default 0.05
 * @throws ArgumentError unless both are finite and `min` is at most `max`
 */
export function randomUniform(options: { min?: number; max?: number } = {}, ...surplus: never[]): Initializer {
  checkOptions('randomUniform', options, { min: true, max: true }, surplus);
  const { min = -0.05, max = 0.05 } = options;
  checkFiniteNumbers('randomUniform', { min, max });
  if (min > max)
    throw new ArgumentError(`randomUniform: min must be at most max, but min is ${min} and max ${max}; swap them`);
  const draw = withChecks('randomUniform', (shape, random) =>
    generate(shape, () => min + (max - min) * random.uniform()),
  );
  return withConfig(draw, 'randomUniform', { min, max });
}

/**
 * `gain` times a random orthogonal matrix (Saxe and others 2014): the weight read as [all other axes, last axis] has
 * orthonormal columns, or orthonormal rows if it has fewer rows than columns.
 * @param options.gain default 1
 * @throws ArgumentError unless `gain` is finite; the initializer throws ShapeError for fewer than two axes
 */
export function orthogonal(options: { gain?: number } = {}, ...surplus: never[]): Initializer {
  checkOptions('orthogonal', options, { gain: true }, surplus);
  const { gain = 1 } = options;
  checkFiniteNumbers('orthogonal', { gain });
  const draw = withChecks('orthogonal', (shape, random) => {
    if (shape.length < 2)
      throw new ShapeError(`orthogonal: needs a weight of two axes or more, not ${showShape(shape)}`);
    const columns = shape.at(-1)!;
    const rows = sizeOf(shape) / Math.max(1, columns);
    const [long, short] = [Math.max(rows, columns), Math.min(rows, columns)];
    const q = orthonormalColumns(long, short, () => drawNormal(random));
    const element = (i: number, j: number) => (rows >= columns ? q[j]![i]! : q[i]![j]!);
    return Float32Array.from(
      { length: rows * columns },
      (_, k) => gain * element(Math.floor(k / columns), k % columns),
    );
  });
  return withConfig(draw, 'orthogonal', { gain });
}

const namedInitializers = {
  zeros,
  ones,
  glorotUniform,
  glorotNormal,
  heUniform,
  heNormal,
  lecunUniform,
  lecunNormal,
  randomNormal: randomNormal(),
  randomUniform: randomUniform(),
  truncatedNormal: truncatedNormal(),
  orthogonal: orthogonal(),
};
/**
 * Names of the initializers, each with Keras's defaults.
 * @useDeclaredType
 */
export type InitializerName = keyof typeof namedInitializers;

/** The initializers that take numbers, by name. */
const parameterized = {
  constant: (options: { value: number }) => constant(checkOptions('constant', options, { value: true }).value),
  randomNormal,
  truncatedNormal,
  randomUniform,
  orthogonal,
};

/**
 * What a file holds instead of an initializer: a name, or a name and numbers; undefined for a user's function.
 * @internal
 */
export const initializerConfig = (initializer: unknown): string | InitializerConfig | undefined =>
  Object.entries(namedInitializers).find(([, known]) => known === initializer)?.[0] ??
  (typeof initializer === 'function'
    ? tryRead('initializerConfig', () => (initializer as Initializer).config)
    : undefined);

/**
 * An initializer from a name (with Keras's defaults), a function, or a result of `initializerConfig`.
 * @param subject layer and option, for the message
 * @throws ArgumentError for anything else
 * @internal
 */
export function initializerOf(subject: string, value: InitializerName | Initializer | InitializerConfig): Initializer {
  if (typeof value === 'function') return value;
  const isNamed = typeof value === 'object' && value !== null && tryRead(subject, () => typeof value.name === 'string');
  if (isNamed && Object.hasOwn(parameterized, value.name)) {
    const { name, ...numbers } = tryRead(subject, () => ({ ...value }));
    return parameterized[name](numbers as never);
  }
  if (typeof value !== 'string' || !Object.hasOwn(namedInitializers, value)) {
    throw new ArgumentError(
      `${subject}: must be a function or one of ${Object.keys(namedInitializers).join(', ')}, but is ${formatValue(value)}`,
    );
  }
  return namedInitializers[value];
}
