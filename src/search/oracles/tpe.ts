import { checkOptions } from '../../base/check.ts';
import type { RandomStream } from '../../base/random.ts';
import { drawStream } from '../draw.ts';
import { horizonOf } from '../horizon.ts';
import type { Oracle, SearchState } from '../oracle.ts';
import type { Hyperparameter, HyperparameterValue, HyperparameterValues } from '../record.ts';
import { hasSameValues, isValueOf } from '../space.ts';
import { checkCount, MAX_ATTEMPTS } from './options.ts';
import { type Kernels, kernelWeights, parzenKernels, pick } from './parzen.ts';
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

/** Candidates that are drawn where good trials are, of which the best is taken. */
const CANDIDATES = 24;
/** Attempts that go by results; where all gave values of earlier trials, the rest are drawn at random. */
const GUIDED_ATTEMPTS = 10;

/** How many of n trials count as good. */
const goodCount = (n: number): number => Math.min(Math.ceil(0.1 * n), 25);

/**
 * The oracle of BayesianOptimization: the tree-structured Parzen estimator of Bergstra, Bardenet, Bengio and Kegl, "Algorithms
 * for hyper-parameter optimization", NeurIPS 2011, with the constants of Optuna.
 *
 * The best tenth of the trials count as good, the others as bad, a failed one too. Densities l of the good trials' values and g of
 * the bad ones' are mixtures of one kernel for each trial and a prior. Of 24 candidates drawn from l, the one with the highest l / g
 * is taken: it has the highest expected improvement.
 *
 * Hyperparameters that all trials so far had are drawn jointly, as Watanabe (2023) recommends ("multivariate"). Others, which exist
 * only under conditions, are drawn one by one as the builder asks for them, from the trials that had them, given the values before.
 * @throws ArgumentError for impossible options
 */
export function tpeOracle(options: TpeOptions = {}): Oracle {
  const what = 'BayesianOptimization';
  checkOptions(what, options, { maxTrials: true, startup: true, parallelTrials: true });
  const maxTrials = checkCount(what, 'maxTrials', options.maxTrials ?? 10);
  const startup = checkCount(what, 'startup', options.startup ?? 10);
  const parallel = checkCount(what, 'parallelTrials', options.parallelTrials ?? 1);
  const jointly = memoizeLast(drawJointly);
  return {
    propose(number, { finished }) {
      if (number >= maxTrials) return null;
      const horizon = horizonOf(number, startup, parallel);
      for (let before = 0; before < horizon; before++) if (!finished.has(before)) return 'wait';
      return { values: {} };
    },
    draw(h, number, attempt, values, state) {
      const horizon = horizonOf(number, startup, parallel);
      if (horizon === 0 || attempt >= GUIDED_ATTEMPTS) return drawAtRandom(h, number, attempt, values, state);
      const random = (name: string) => drawStream(state.seed, number, attempt, name);
      const joint = jointly(state, [horizon, number, attempt], () => random('')); // no hyperparameter is called so
      const { good, bad } = divide(horizon, state);
      return (
        joint.find(([other]) => hasSameValues(other, h))?.[1] ??
        bestCandidate([h], mixtureOf([h], good, values, state), mixtureOf([h], bad, values, state), random(h.name))[0]!
      );
    },
    attempts: GUIDED_ATTEMPTS + MAX_ATTEMPTS,
  };
}

type Joint = [Hyperparameter, HyperparameterValue][];

/** Values of the hyperparameters that all trials below a number had. */
function drawJointly(state: SearchState, horizon: number, random: RandomStream): Joint {
  const { good, bad } = divide(horizon, state);
  const others = [...good, ...bad].map((trial) => byName(state.asked.get(trial)!));
  const isCommon = (h: Hyperparameter) =>
    others.every((list) => list.has(h.name) && hasSameValues(list.get(h.name)!, h));
  const common = state.asked.get(0)!.filter((h) => h.kind !== 'fixed' && isCommon(h));
  const best = bestCandidate(common, mixtureOf(common, good, {}, state), mixtureOf(common, bad, {}, state), random);
  return common.map((h, i) => [h, best[i]!]);
}

/** Remembers the last result: a builder asks for the values of one candidate one after another. */
function memoizeLast(draw: typeof drawJointly) {
  let last: { key: string; state: SearchState; joint: Joint } | undefined;
  return (
    state: SearchState,
    [horizon, number, attempt]: [number, number, number],
    random: () => RandomStream,
  ): Joint => {
    const key = [state.seed, state.objective.direction, horizon, number, attempt].join();
    const { finished, proposed, asked } = last?.state ?? {};
    const isSame = finished === state.finished && proposed === state.proposed && asked === state.asked;
    if (last?.key !== key || !isSame) last = { key, state: { ...state }, joint: draw(state, horizon, random()) };
    return last.joint;
  };
}

/** The good and the bad of the trials below a number, by number. */
function divide(horizon: number, state: SearchState): { good: number[]; bad: number[] } {
  const numbers = [...new Array(horizon).keys()];
  const best = rankTrials(numbers, state).slice(0, goodCount(horizon));
  const isGood = (number: number) => hasScore(number, state) && best.includes(number);
  return { good: numbers.filter(isGood), bad: numbers.filter((number) => !isGood(number)) };
}

/** A density over the values of some hyperparameters: a mixture of products of kernels. */
interface Mixture {
  /** Of each trial, and of the prior. */
  weights: number[];
  /** Of each hyperparameter. */
  kernels: Kernels[];
}

/** The density of some hyperparameters' values in the trials that have them all, given values that a new trial has already. */
function mixtureOf(
  hyperparameters: readonly Hyperparameter[],
  trials: readonly number[],
  given: HyperparameterValues,
  { asked, proposed }: SearchState,
): Mixture {
  const askedOf = (trial: number, name: string) => byName(asked.get(trial)!).get(name);
  const hasSame = (trial: number, which: Hyperparameter) => {
    const same = askedOf(trial, which.name);
    return same !== undefined && hasSameValues(same, which);
  };
  const kernelsOf = (h: Hyperparameter, numbers: readonly number[]) =>
    parzenKernels(
      h,
      numbers.map((trial) => proposed.get(trial)![h.name]!),
    );
  const members = trials.filter((trial) => hyperparameters.every((h) => hasSame(trial, h)));
  let weights = normalize(kernelWeights(members.length));
  for (const [name, value] of Object.entries(given)) {
    // As trials have it: one name may have other values under another condition.
    const before = members.map((trial) => askedOf(trial, name)).find((other) => other && isValueOf(other, value));
    if (before === undefined) continue;
    const having = members.filter((trial) => hasSame(trial, before));
    const densities = kernelsOf(before, having).densities(value);
    const densityOfTrial = new Map(having.map((trial, i) => [trial, densities[i]!]));
    weights = conditionOn(weights, [...members.map((trial) => densityOfTrial.get(trial) ?? 1), densities.at(-1)!]);
  }
  return { weights, kernels: hyperparameters.map((h) => kernelsOf(h, members)) };
}

/** Of candidates drawn from l, the values of the one with the highest l / g. */
function bestCandidate(
  hyperparameters: readonly Hyperparameter[],
  l: Mixture,
  g: Mixture,
  random: RandomStream,
): HyperparameterValue[] {
  let [best, bestRatio] = [[] as HyperparameterValue[], Number.NEGATIVE_INFINITY];
  for (let i = 0; i < CANDIDATES; i++) {
    // By the chain rule: each value is drawn, and its densities are taken, given those before it.
    let [ofGood, ofBad, ratio] = [l.weights, g.weights, 0];
    const values = hyperparameters.map((_, at) => {
      const value = l.kernels[at]!.sample(pick(ofGood, random), random);
      const [good, bad] = [l.kernels[at]!.densities(value), g.kernels[at]!.densities(value)];
      ratio += Math.log(dot(ofGood, good) / dot(ofBad, bad));
      [ofGood, ofBad] = [conditionOn(ofGood, good), conditionOn(ofBad, bad)];
      return value;
    });
    if (i === 0 || ratio > bestRatio) [best, bestRatio] = [values, ratio];
  }
  return best;
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const conditionOn = (weights: readonly number[], densities: readonly number[]) =>
  normalize(weights.map((weight, i) => weight * densities[i]!));

/** Weights with a sum of 1, so that the products of many densities stay within what a number can say. */
function normalize(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

const indexes = new WeakMap<readonly Hyperparameter[], ReadonlyMap<string, Hyperparameter>>();
/** Hyperparameters by name; the index of a list is made once, as every draw looks into all trials. */
function byName(list: readonly Hyperparameter[]): ReadonlyMap<string, Hyperparameter> {
  const index = indexes.get(list) ?? new Map(list.map((h) => [h.name, h]));
  indexes.set(list, index);
  return index;
}
