import type { RandomStream } from '../../base/random.ts';
import { cdf, density } from '../../kernels/random/normal.ts';
import type { Hyperparameter, HyperparameterValue } from '../record.ts';
import { countOf, indexOf, unitInterval, unitToValue, valueToUnit } from '../space.ts';

// Kernels of Parzen estimators: densities over the values of one hyperparameter, in the unit interval that `unitToValue` maps to
// its values. Weights, bandwidths and the prior are those that Optuna's TPESampler has by default, as Watanabe, "Tree-structured
// Parzen estimator: understanding its algorithm components and their roles for better empirical performance"
// (arXiv:2304.11127, 2023), describes them.

/** A kernel for each observation, and behind these the prior, which is wide. */
export interface Kernels {
  /** The density of each at a value; that of a uniform distribution would be 1. */
  densities(value: HyperparameterValue): number[];
  sample(kernel: number, random: RandomStream): HyperparameterValue;
}

/** Observations that all have weight 1: the newest. Older ones have less, the oldest of n of them 1 / n. */
const FULL_WEIGHTS = 25;
/** The prior counts as this many observations. */
const PRIOR_WEIGHT = 1;

/** Weights of n observations, from the oldest to the newest, and of the prior. */
export function kernelWeights(n: number): number[] {
  const older = n - FULL_WEIGHTS;
  const ramp = (i: number) => (older === 1 ? 1 / n : 1 / n + (1 - 1 / n) * (i / (older - 1)));
  return [...Array.from({ length: n }, (_, i) => (i < older ? ramp(i) : 1)), PRIOR_WEIGHT];
}

/** Index of one of some weights, chosen with a chance in proportion to them. */
export function pick(weights: readonly number[], random: RandomStream): number {
  let left = random.uniform64() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    if (left < weight) return i;
    left -= weight;
  }
  return weights.length - 1; // by rounding
}

/** @param observed values of trials, from the oldest to the newest */
export function parzenKernels(h: Hyperparameter, observed: readonly HyperparameterValue[]): Kernels {
  const isCategorical = h.kind === 'boolean' || h.kind === 'fixed' || (h.kind === 'choice' && !h.ordered);
  return isCategorical ? categorical(h, observed) : numeric(h, observed);
}

/** A kernel gives its value 1 and every value 1 / (n + 1), scaled to a sum of 1; the prior gives all the same. */
function categorical(h: Hyperparameter, observed: readonly HyperparameterValue[]): Kernels {
  const count = countOf(h);
  const spread = PRIOR_WEIGHT / (observed.length + 1);
  const centers = observed.map((value) => indexOf(h, value));
  const chance = (center: number | undefined, index: number) =>
    center === undefined ? 1 / count : (spread + Number(center === index)) / (1 + count * spread);
  return {
    densities(value) {
      const index = indexOf(h, value);
      return [...centers, undefined].map((center) => count * chance(center, index));
    },
    sample(kernel, random) {
      const chances = Array.from({ length: count }, (_, index) => chance(centers[kernel], index));
      return unitToValue(h, (pick(chances, random) + 0.5) / count);
    },
  };
}

/** Normal distributions around the observations, cut off at the ends of the unit interval; the prior's deviation is 1. */
function numeric(h: Hyperparameter, observed: readonly HyperparameterValue[]): Kernels {
  const centers = observed.map((value) => valueToUnit(h, value));
  const widths = bandwidths(centers);
  const kernels = [...centers, 0.5].map((center, i) => {
    const width = widths[i] ?? 1;
    return { center, width, inside: cdf((1 - center) / width) - cdf(-center / width) };
  });
  return {
    densities(value) {
      const [low, high] = unitInterval(h, value);
      return kernels.map(({ center, width, inside }) =>
        low === high
          ? density((low - center) / width) / width / inside
          : (cdf((high - center) / width) - cdf((low - center) / width)) / (high - low) / inside,
      );
    },
    sample(kernel, random) {
      const { center, width } = kernels[kernel]!;
      for (;;) {
        // Box and Muller. A third of the draws fall inside even of the widest kernel at an end of the interval.
        const radius = Math.sqrt(-2 * Math.log(1 - random.uniform64()));
        const u = center + width * radius * Math.cos(2 * Math.PI * random.uniform64());
        if (u >= 0 && u < 1) return unitToValue(h, u);
      }
    },
  };
}

/**
 * The distance to the farther of the two neighbors; at the ends, to the only one. At least 1 / (n + 2), or 1 / 100 where that is
 * more, so that a few observations that lie close do not make the search narrow.
 */
function bandwidths(centers: readonly number[]): number[] {
  const order = centers.map((_, i) => i).sort((a, b) => centers[a]! - centers[b]! || a - b);
  const least = 1 / Math.min(100, centers.length + 2);
  const isAlone = centers.length === 1;
  const widths = new Array<number>(centers.length);
  order.forEach((index, place) => {
    const center = centers[index]!;
    const before = place > 0 ? centers[order[place - 1]!]! : isAlone ? 0 : center;
    const after = place < order.length - 1 ? centers[order[place + 1]!]! : isAlone ? 1 : center;
    widths[index] = Math.min(1, Math.max(least, center - before, after - center));
  });
  return widths;
}
