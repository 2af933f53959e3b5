import { checkOptions } from '../../check.ts';
import { drawStream } from '../draw.ts';
import type { Oracle, SearchState } from '../oracle.ts';
import type { Hyperparameter, HyperparameterValue, HyperparameterValues } from '../record.ts';
import { hasSameValues, isValueOf } from '../space.ts';
import { checkCount, MAX_ATTEMPTS } from './options.ts';
import { kernelWeights, parzenKernels, pick } from './parzen.ts';
import { drawAtRandom } from './random.ts';
import { hasScore, rankTrials } from './ranking.ts';

export interface TpeOptions {
  /** Default 10, as in KerasTuner. */
  maxTrials?: number;
  /** Trials at the beginning that are drawn at random; default 10. */
  startup?: number;
  /** Trials that may run at once: each of such a group goes by the results before the group; default 1. */
  parallelTrials?: number;
}

/** Values that are drawn where good trials are, of which the best is taken. */
const CANDIDATES = 24;
/** Attempts that go by results; where all gave values of earlier trials, the rest are drawn at random. */
const GUIDED_ATTEMPTS = 10;

/** How many of n trials count as good. */
const goodOf = (n: number): number => Math.min(Math.ceil(0.1 * n), 25);

/**
 * The oracle of BayesianOptimization: the tree-structured Parzen estimator of Bergstra, Bardenet, Bengio and Kegl, "Algorithms
 * for hyper-parameter optimization", NeurIPS 2011, with the constants of Optuna.
 *
 * The best tenth of the trials count as good, the others as bad, a failed one too. Densities l of the good trials' values and g of
 * the bad ones' are mixtures of one kernel for each trial and a prior. Of 24 values drawn from l, the one with the highest l / g
 * is taken: it has the highest expected improvement.
 *
 * A builder asks for one hyperparameter after another, so each is drawn given those before it: a kernel's weight is
 * multiplied by its density at each value that the new trial has already. This is the chain rule for the joint densities that Watanabe (2023)
 * recommends ("multivariate"). Only trials that have a hyperparameter count for it, so conditional ones need no rule of their own.
 * @throws ArgumentError for impossible options
 */
export function tpeOracle(options: TpeOptions = {}): Oracle {
  const what = 'BayesianOptimization';
  checkOptions(what, options, { maxTrials: true, startup: true, parallelTrials: true });
  const maxTrials = checkCount(what, 'maxTrials', options.maxTrials ?? 10);
  const startup = checkCount(what, 'startup', options.startup ?? 10);
  const parallel = checkCount(what, 'parallelTrials', options.parallelTrials ?? 1);
  /** A trial goes by the results of those below it. */
  const horizonOf = (number: number): number => (number < startup ? 0 : number - ((number - startup) % parallel));
  return {
    propose(number, { finished }) {
      if (number >= maxTrials) return null;
      const horizon = horizonOf(number);
      for (let before = 0; before < horizon; before++) if (!finished.has(before)) return 'wait';
      return { values: {} };
    },
    draw(h, number, attempt, values, state) {
      const horizon = horizonOf(number);
      if (horizon === 0 || attempt >= GUIDED_ATTEMPTS) return drawAtRandom(h, number, attempt, values, state);
      const { good, bad } = divide(horizon, state);
      const [l, g] = [mixtureOf(h, good, values, state), mixtureOf(h, bad, values, state)];
      const random = drawStream(state.seed, number, attempt, h.name);
      const ratios = new Map<HyperparameterValue, number>();
      for (let i = 0; i < CANDIDATES; i++) {
        const value = l.kernels.sample(pick(l.weights, random), random);
        if (!ratios.has(value)) ratios.set(value, densityOf(l, value) / densityOf(g, value));
      }
      return [...ratios].reduce((best, other) => (other[1] > best[1] ? other : best))[0];
    },
    attempts: GUIDED_ATTEMPTS + MAX_ATTEMPTS,
  };
}

/** The good and the bad of the trials below a number, by number. */
function divide(horizon: number, state: SearchState): { good: number[]; bad: number[] } {
  const numbers = [...new Array(horizon).keys()];
  const best = rankTrials(numbers, state).slice(0, goodOf(horizon));
  const isGood = (number: number) => hasScore(number, state) && best.includes(number);
  return { good: numbers.filter(isGood), bad: numbers.filter((number) => !isGood(number)) };
}

interface Mixture {
  weights: number[];
  kernels: ReturnType<typeof parzenKernels>;
}

/** The density of a hyperparameter's values in some trials, given the values that the new trial has already. */
function mixtureOf(
  h: Hyperparameter,
  trials: readonly number[],
  given: HyperparameterValues,
  { asked, proposed }: SearchState,
): Mixture {
  const askedOf = (trial: number, name: string) => byName(asked.get(trial)!).get(name);
  const withSame = (which: Hyperparameter, among: readonly number[]) =>
    among.filter((trial) => {
      const same = askedOf(trial, which.name);
      return same !== undefined && hasSameValues(same, which);
    });
  const valuesOf = (numbers: readonly number[], name: string) => numbers.map((trial) => proposed.get(trial)![name]!);
  const members = withSame(h, trials);
  let weights = normalized(kernelWeights(members.length));
  for (const [name, value] of Object.entries(given)) {
    // As trials have it: one name may have other values under another condition.
    const before = members.map((trial) => askedOf(trial, name)).find((other) => other && isValueOf(other, value));
    if (before === undefined) continue;
    const having = withSame(before, members);
    const densities = parzenKernels(before, valuesOf(having, name)).densities(value);
    const densityOfTrial = new Map(having.map((trial, i) => [trial, densities[i]!]));
    const factors = [...members.map((trial) => densityOfTrial.get(trial) ?? 1), densities[having.length]!];
    weights = normalized(weights.map((weight, i) => weight * factors[i]!));
  }
  return { weights, kernels: parzenKernels(h, valuesOf(members, h.name)) };
}

const indexes = new WeakMap<readonly Hyperparameter[], ReadonlyMap<string, Hyperparameter>>();
/** Hyperparameters by name; the index of a list is made once, as every draw looks into all trials. */
function byName(list: readonly Hyperparameter[]): ReadonlyMap<string, Hyperparameter> {
  const index = indexes.get(list) ?? new Map(list.map((h) => [h.name, h]));
  indexes.set(list, index);
  return index;
}

/** Weights with a sum of 1, so that the products of many densities stay within what a number can say. */
function normalized(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

const densityOf = ({ weights, kernels }: Mixture, value: HyperparameterValue): number =>
  kernels.densities(value).reduce((sum, density, i) => sum + weights[i]! * density, 0);
