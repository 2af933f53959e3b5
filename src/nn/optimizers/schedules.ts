import { checkF32, checkOptions, checkSurplus, formatValue, readList } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';

/** Returns the learning rate of a step, from 0. Users may give their own functions. */
export type Schedule = (step: number) => number;

/** A fixed learning rate, or a schedule. */
export type Rate = number | Schedule;

const scheduleOf = (rate: Rate): Schedule => (typeof rate === 'function' ? rate : () => rate);

function checkNumbers(
  subject: string,
  numbers: Record<string, number>,
  fits: (x: number) => boolean,
  range: string,
): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value !== 'number' || !Number.isFinite(value) || !fits(value)) {
      throw new ArgumentError(`${subject}: ${name} must be ${range}, but is ${formatValue(value)}`);
    }
  }
}
const checkNotNegative = (subject: string, numbers: Record<string, number>) =>
  checkNumbers(subject, numbers, (x) => x >= 0, 'zero or more');
/** Checks rates, which an optimizer's kernel gets as f32. */
const checkRates = (subject: string, rates: Record<string, number>) => {
  checkNotNegative(subject, rates);
  for (const [name, rate] of Object.entries(rates)) checkF32(`${subject}: ${name}`, rate);
};
const checkPositive = (subject: string, numbers: Record<string, number>) =>
  checkNumbers(subject, numbers, (x) => x > 0, 'positive');

/** The same rate for all steps. @throws ArgumentError for a negative rate */
export function constant(rate: number, ...surplus: never[]): Schedule {
  checkSurplus('constant', surplus);
  checkRates('constant', { rate });
  return () => rate;
}

/**
 * values[0] up to and including step boundaries[0], values[1] up to and including boundaries[1], and so on: Keras's
 * PiecewiseConstantDecay.
 * @throws ArgumentError unless the boundaries are ascending and there is one value more than boundaries
 */
export function piecewiseConstantDecay(
  options: {
    /** Steps after which the rate changes, in ascending order. */
    boundaries: readonly number[];
    /** Rates, one more than boundaries. */
    values: readonly number[];
  },
  ...surplus: never[]
): Schedule {
  const who = 'piecewiseConstantDecay';
  checkOptions(who, options, { boundaries: true, values: true }, surplus);
  const [boundaries, values] = [options.boundaries, options.values].map(
    (list) => readList(who, list) as number[] | null,
  );
  if (!boundaries || !values || values.length !== boundaries.length + 1) {
    throw new ArgumentError(
      `piecewiseConstantDecay: needs one value more than boundaries, but has values ${formatValue(options.values)} and boundaries ${formatValue(options.boundaries)}`,
    );
  }
  checkRates('piecewiseConstantDecay', Object.fromEntries(values.map((value, i) => [`values[${i}]`, value])));
  if (!boundaries.every((b, i) => Number.isFinite(b) && (i === 0 || b > boundaries[i - 1]!))) {
    throw new ArgumentError(`piecewiseConstantDecay: boundaries must be ascending, but are ${formatValue(boundaries)}`);
  }
  return (step) => {
    const i = boundaries.findIndex((boundary) => step <= boundary);
    return values.at(i)!;
  };
}

/**
 * initialLearningRate * decayRate ^ (step / decaySteps): Keras's ExponentialDecay. With `staircase` the exponent is rounded
 * down, so that the rate drops once every `decaySteps` (PyTorch's StepLR).
 * @throws ArgumentError for negative numbers, or if decaySteps is 0
 */
export function exponentialDecay(
  options: {
    /** Rate of step 0. */
    initialLearningRate: number;
    /** Number of steps in which the rate is multiplied by `decayRate`. */
    decaySteps: number;
    /** Factor on the rate. */
    decayRate: number;
    /** Whether the exponent is rounded down, so the rate is constant between multiples of `decaySteps`. Default false. */
    staircase?: boolean;
  },
  ...surplus: never[]
): Schedule {
  checkOptions(
    'exponentialDecay',
    options,
    {
      initialLearningRate: true,
      decaySteps: true,
      decayRate: true,
      staircase: true,
    },
    surplus,
  );
  const { initialLearningRate, decaySteps, decayRate, staircase = false } = options;
  checkRates('exponentialDecay', { initialLearningRate });
  checkNotNegative('exponentialDecay', { decayRate });
  checkPositive('exponentialDecay', { decaySteps });
  return (step) => {
    const exponent = step / decaySteps;
    return initialLearningRate * decayRate ** (staircase ? Math.floor(exponent) : exponent);
  };
}

/**
 * Half a cosine from the initial rate down to `alpha` times that rate over `decaySteps`, constant afterwards: Keras's CosineDecay
 * (Loshchilov and Hutter 2017, without restarts). With a `warmupTarget`, the rate first rises linearly to the target over `warmupSteps`
 * and decays from there.
 * @throws ArgumentError for negative numbers, or if decaySteps is 0
 */
export function cosineDecay(
  options: {
    /** Rate of step 0. */
    initialLearningRate: number;
    /** Number of steps of the decay. */
    decaySteps: number;
    /** Final rate as a fraction of the rate at the beginning of the decay. Default 0. */
    alpha?: number;
    /** Rate at the end of the warm-up. Default: no warm-up. */
    warmupTarget?: number;
    /** Number of steps of the warm-up. Default 0. */
    warmupSteps?: number;
  },
  ...surplus: never[]
): Schedule {
  checkOptions(
    'cosineDecay',
    options,
    {
      initialLearningRate: true,
      decaySteps: true,
      alpha: true,
      warmupTarget: true,
      warmupSteps: true,
    },
    surplus,
  );
  const { initialLearningRate, decaySteps, alpha = 0, warmupTarget, warmupSteps = 0 } = options;
  checkRates('cosineDecay', { initialLearningRate });
  checkNotNegative('cosineDecay', { alpha, warmupSteps });
  checkPositive('cosineDecay', { decaySteps });
  const cosineFall = (from: number) => (step: number) => {
    const cosine = 0.5 * (1 + Math.cos((Math.PI * Math.min(step, decaySteps)) / decaySteps));
    return from * ((1 - alpha) * cosine + alpha);
  };
  if (warmupTarget === undefined) return cosineFall(initialLearningRate);
  checkRates('cosineDecay', { warmupTarget });
  return linearRise(initialLearningRate, warmupTarget, warmupSteps, cosineFall(warmupTarget));
}

const linearRise =
  (from: number, to: number, steps: number, then: Schedule): Schedule =>
  (step) =>
    step < steps ? from + ((to - from) * step) / steps : then(step - steps);

/**
 * A linear rise from `initialLearningRate` at step 0 to the first rate of `target`, reached at step `steps`; then `target`. A schedule
 * as `target` starts with its step 0.
 * @throws ArgumentError for negative steps or rates
 */
export function warmUp(
  options: {
    /** Number of steps of the rise. */
    steps: number;
    /** Rate or schedule after the rise. */
    target: Rate;
    /** Rate of step 0. Default 0. */
    initialLearningRate?: number;
  },
  ...surplus: never[]
): Schedule {
  checkOptions('warmUp', options, { steps: true, target: true, initialLearningRate: true }, surplus);
  const { steps, initialLearningRate = 0, target } = options;
  checkNotNegative('warmUp', { steps });
  checkRates('warmUp', { initialLearningRate });
  if (typeof target !== 'function') checkRates('warmUp', { target });
  const after = scheduleOf(target);
  return linearRise(initialLearningRate, after(0), steps, after);
}
