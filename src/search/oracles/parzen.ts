import { cdf, density } from '../../kernels/normal.ts';
import type { RandomStream } from '../../random.ts';
import type { Hyperparameter, HyperparameterValue } from '../record.ts';
import { countOf, indexOf, unitInterval, unitToValue, valueToUnit } from '../space.ts';

// Kernel density estimates of where good and bad values of one hyperparameter lie, in the unit interval that `unitToValue`
// maps to its values. Weights, bandwidths and the prior are those of Optuna's TPESampler by default, as Watanabe, "Tree-structured
// Parzen estimator: understanding its algorithm components and their roles for better empirical performance"
// (arXiv:2304.11127, 2023), describes them.

/** A density over the values of one hyperparameter. */
export interface ParzenEstimator {
  sample(random: RandomStream): HyperparameterValue;
  /** Logarithm of a value's chance; of its density in the unit interval where any number may come up. */
  logDensity(value: HyperparameterValue): number;
}

/** Trials that all have weight 1: the newest. Older ones have less, the oldest of n trials 1 / n. */
const FULL_WEIGHTS = 25;
/** The prior counts as this many observations. */
const PRIOR_WEIGHT = 1;

/** @param observed values of trials, from the oldest to the newest */
export function parzenEstimator(h: Hyperparameter, observed: readonly HyperparameterValue[]): ParzenEstimator {
  const isCategorical = h.kind === 'boolean' || h.kind === 'fixed' || (h.kind === 'choice' && !h.ordered);
  return isCategorical ? categorical(h, observed) : numeric(h, observed);
}

/** Relative weights of n observations and of the prior, which comes last. */
function weightsOf(n: number): number[] {
  const older = n - FULL_WEIGHTS;
  const ramp = (i: number) => (older <= 1 ? 1 / n : 1 / n + (1 - 1 / n) * (i / (older - 1)));
  const weights = Array.from({ length: n }, (_, i) => (i < older ? ramp(i) : 1));
  const all = [...weights, PRIOR_WEIGHT];
  const sum = all.reduce((total, weight) => total + weight, 0);
  return all.map((weight) => weight / sum);
}

/** Index of the part of [0, 1) that `u` is in, of parts with these widths. */
function pick(widths: readonly number[], u: number): number {
  let end = 0;
  const index = widths.findIndex((width) => u < (end += width));
  return index < 0 ? widths.length - 1 : index;
}

/** Each observation gives its value 1 and every value 1 / (n + 1), scaled to a sum of 1; the prior gives all the same. */
function categorical(h: Hyperparameter, observed: readonly HyperparameterValue[]): ParzenEstimator {
  const [count, kernels] = [countOf(h), observed.length + 1];
  const weights = weightsOf(observed.length);
  const spread = PRIOR_WEIGHT / kernels;
  const chances = new Array<number>(count).fill(weights[observed.length]! / count);
  observed.forEach((value, i) => {
    const scale = weights[i]! / (1 + count * spread);
    for (let c = 0; c < count; c++) chances[c]! += scale * spread;
    chances[indexOf(h, value)]! += scale;
  });
  return {
    sample: (random) => unitToValue(h, (pick(chances, random.uniform64()) + 0.5) / count),
    logDensity: (value) => Math.log(chances[indexOf(h, value)]!),
  };
}

/** Normal distributions around the observations, cut off at the ends of the unit interval, and a wide one as the prior. */
function numeric(h: Hyperparameter, observed: readonly HyperparameterValue[]): ParzenEstimator {
  const centers = observed.map((value) => valueToUnit(h, value));
  const widths = bandwidths(centers);
  const weights = weightsOf(observed.length);
  const kernels = [...centers, 0.5].map((center, i) => {
    const width = widths[i] ?? 1;
    const inside = cdf((1 - center) / width) - cdf(-center / width);
    return { center, width, scale: weights[i]! / inside };
  });
  return {
    sample(random) {
      const { center, width } = kernels[pick(weights, random.uniform64())]!;
      for (;;) {
        // Box and Muller; a third of the draws fall inside even of the widest kernel at the end of the interval.
        const radius = Math.sqrt(-2 * Math.log(1 - random.uniform64()));
        const u = center + width * radius * Math.cos(2 * Math.PI * random.uniform64());
        if (u >= 0 && u < 1) return unitToValue(h, u);
      }
    },
    logDensity(value) {
      const [low, high] = unitInterval(h, value);
      const chances = kernels.map(({ center, width, scale }) =>
        low === high
          ? (scale * density((low - center) / width)) / width
          : scale * (cdf((high - center) / width) - cdf((low - center) / width)),
      );
      return Math.log(chances.reduce((sum, chance) => sum + chance, 0));
    },
  };
}

/**
 * The distance to the farther of the two neighbors; at the ends, to the only one. At least 1 / (n + 2), or 1 / 100 where that is more,
 * so that few observations do not make the search narrow.
 */
function bandwidths(centers: readonly number[]): number[] {
  const order = centers.map((_, i) => i).sort((a, b) => centers[a]! - centers[b]! || a - b);
  const least = 1 / Math.min(100, centers.length + 2);
  const widths = new Array<number>(centers.length);
  order.forEach((index, place) => {
    const center = centers[index]!;
    const [before, after] = [order[place - 1], order[place + 1]].map((i) => (i === undefined ? undefined : centers[i]!));
    const isAlone = centers.length === 1;
    const left = center - (before ?? (isAlone ? 0 : center));
    const right = (after ?? (isAlone ? 1 : center)) - center;
    widths[index] = Math.min(1, Math.max(least, left, right));
  });
  return widths;
}
