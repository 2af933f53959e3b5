import type { RandomStream } from '../../base/random.ts';
import { cdf, density } from '../../kernels/random/normal.ts';
import type { Hyperparameter, HyperparameterValue } from '../record.ts';
import { countOf, indexOf, unitInterval, unitToValue, valueToUnit } from '../space.ts';

// Kernels of Parzen estimators: densities over the values of one hyperparameter, in the unit interval that `unitToValue` maps to
// its values. Weights, bandwidths and the prior are those that Optuna's TPESampler has by default, as Watanabe, "Tree-structured
// Parzen estimator: understanding its algorithm components and their roles for better empirical performance"
// (arXiv:2304.11127, 2023), describes them.

/** A kernel for each observation, then the prior, which is wide. */
export interface Kernels {
  /** Returns the density of each kernel at a value, relative to that of a uniform distribution. */
  densities(value: HyperparameterValue): number[];
  sample(kernel: number, random: RandomStream): HyperparameterValue;
}

/** Number of newest observations, which have weight 1. Older ones have lower weights; the oldest of n observations has 1 / n. */
const FULL_WEIGHTS = 25;
/** The prior counts as this many observations. */
const PRIOR_WEIGHT = 1;

/** Returns the weights of n observations, from the oldest to the newest, then that of the prior. */
export function kernelWeights(n: number): number[] {
  const older = n - FULL_WEIGHTS;
  const ramp = (i: number) => (older === 1 ? 1 / n : 1 / n + (1 - 1 / n) * (i / (older - 1)));
  return [...Array.from({ length: n }, (_, i) => (i < older ? ramp(i) : 1)), PRIOR_WEIGHT];
}

/** Draws the index of a weight with a probability proportional to it. */
export function pick(weights: readonly number[], random: RandomStream): number {
  let left = random.uniform64() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    if (left < weight) return i;
    left -= weight;
  }
  return weights.length - 1; // reached only by rounding errors
}

/** @param observed values of trials, from the oldest to the newest */
export function parzenKernels(h: Hyperparameter, observed: readonly HyperparameterValue[]): Kernels {
  const isCategorical = h.kind === 'boolean' || h.kind === 'fixed' || (h.kind === 'choice' && !h.ordered);
  return isCategorical ? categorical(h, observed) : numeric(h, observed);
}

/** A kernel has 1 at its value plus 1 / (n + 1) at every value, scaled to a sum of 1; the prior is uniform. */
function categorical(h: Hyperparameter, observed: readonly HyperparameterValue[]): Kernels {
  const count = countOf(h);
  const spread = PRIOR_WEIGHT / (observed.length + 1);
  const centers = observed.map((value) => indexOf(h, value));
  const probabilityAt = (center: number | undefined, index: number) =>
    center === undefined ? 1 / count : (spread + Number(center === index)) / (1 + count * spread);
  return {
    densities(value) {
      const index = indexOf(h, value);
      return [...centers, undefined].map((center) => count * probabilityAt(center, index));
    },
    sample(kernel, random) {
      const probabilities = Array.from({ length: count }, (_, index) => probabilityAt(centers[kernel], index));
      return unitToValue(h, (pick(probabilities, random) + 0.5) / count);
    },
  };
}

/** Normal distributions around the observations, truncated to the unit interval; the prior's deviation is 1. */
function numeric(h: Hyperparameter, observed: readonly HyperparameterValue[]): Kernels {
  const centers = observed.map((value) => valueToUnit(h, value));
  const widths = bandwidths(centers);
  const kernels = [...centers, 0.5].map((center, i) => {
    const width = widths[i] ?? 1;
    return { center, width, mass: cdf((1 - center) / width) - cdf(-center / width) };
  });
  return {
    densities(value) {
      const [low, high] = unitInterval(h, value);
      return kernels.map(({ center, width, mass }) =>
        low === high
          ? density((low - center) / width) / width / mass
          : (cdf((high - center) / width) - cdf((low - center) / width)) / (high - low) / mass,
      );
    },
    sample(kernel, random) {
      const { center, width } = kernels[kernel]!;
      for (;;) {
        // Box-Muller. A third of the draws are in the interval even for the widest kernel at one of its ends.
        const radius = Math.sqrt(-2 * Math.log(1 - random.uniform64()));
        const u = center + width * radius * Math.cos(2 * Math.PI * random.uniform64());
        if (u >= 0 && u < 1) return unitToValue(h, u);
      }
    },
  };
}

/**
 * Returns the bandwidth of each observation: the distance to the farther of its two neighbors, or to the only one at an end. It is at least
 * 1 / (n + 2) and at least 1 / 100, so that a few close observations do not narrow the search.
 */
function bandwidths(centers: readonly number[]): number[] {
  const order = centers.map((_, i) => i).sort((a, b) => centers[a]! - centers[b]! || a - b);
  const minWidth = 1 / Math.min(100, centers.length + 2);
  const isAlone = centers.length === 1;
  const widths = new Array<number>(centers.length);
  order.forEach((index, rank) => {
    const center = centers[index]!;
    const before = rank > 0 ? centers[order[rank - 1]!]! : isAlone ? 0 : center;
    const after = rank < order.length - 1 ? centers[order[rank + 1]!]! : isAlone ? 1 : center;
    widths[index] = Math.min(1, Math.max(minWidth, center - before, after - center));
  });
  return widths;
}
