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
  /** Number of trials that may run at once. Each depends only on the results of trials before this group. Default: 1. */
  parallelTrials?: number;
}

/** Number of candidates drawn from the density of good trials, of which the best is used. */
const CANDIDATES = 24;
/** Attempts that use results; if all of them give values of earlier trials, the rest are drawn at random. */
const GUIDED_ATTEMPTS = 10;

/** Returns how many of n trials count as good. */
const goodCount = (n: number): number => Math.min(Math.ceil(0.1 * n), 25);

/**
 * The oracle of BayesianOptimization: the tree-structured Parzen estimator of Bergstra, Bardenet, Bengio and Kegl, "Algorithms
 * for hyper-parameter optimization", NeurIPS 2011, with the constants of Optuna.
 *
 * The best tenth of the trials count as good, the others as bad, also failed ones. The densities l of the good trials' values and g of the
 * bad ones' are mixtures of one kernel for each trial and a prior. Of 24 candidates drawn from l, the one with the highest l / g is used:
 * it has the highest expected improvement.
 *
 * Hyperparameters that all earlier trials had are drawn jointly, as Watanabe (2023) recommends ("multivariate"). Others, which exist only
 * under conditions, are drawn one by one as the builder requests them: from the trials that had them, given the values before.
 * @throws ArgumentError for impossible options
 */
export function tpeOracle(options: TpeOptions = {}): Oracle {
  const subject = 'BayesianOptimization';
  checkOptions(subject, options, { maxTrials: true, startup: true, parallelTrials: true });
  const maxTrials = checkCount(subject, 'maxTrials', options.maxTrials ?? 10);
  const startup = checkCount(subject, 'startup', options.startup ?? 10);
  const parallel = checkCount(subject, 'parallelTrials', options.parallelTrials ?? 1);
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
      const joint = jointly(state, [horizon, number, attempt], () => random('')); // no hyperparameter has an empty name
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

/** Draws values of the hyperparameters that all trials below `horizon` had. */
function drawJointly(state: SearchState, horizon: number, random: RandomStream): Joint {
  const { good, bad } = divide(horizon, state);
  const others = [...good, ...bad].map((trial) => byName(state.asked.get(trial)!));
  const isCommon = (h: Hyperparameter) =>
    others.every((list) => list.has(h.name) && hasSameValues(list.get(h.name)!, h));
  const common = state.asked.get(0)!.filter((h) => h.kind !== 'fixed' && isCommon(h));
  const best = bestCandidate(common, mixtureOf(common, good, {}, state), mixtureOf(common, bad, {}, state), random);
  return common.map((h, i) => [h, best[i]!]);
}

/** Keeps the last result, because a builder requests the values of one candidate one after another. */
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

/** Divides the trials below `horizon` into good and bad ones. */
function divide(horizon: number, state: SearchState): { good: number[]; bad: number[] } {
  const numbers = [...new Array(horizon).keys()];
  const best = rankTrials(numbers, state).slice(0, goodCount(horizon));
  const isGood = (number: number) => hasScore(number, state) && best.includes(number);
  return { good: numbers.filter(isGood), bad: numbers.filter((number) => !isGood(number)) };
}

/** A density over the values of some hyperparameters: a mixture of products of kernels. */
interface Mixture {
  /** One for each trial, then one for the prior. */
  weights: number[];
  /** One for each hyperparameter. */
  kernels: Kernels[];
}

/** Returns the density of hyperparameters in those trials that have all of them, given the values that a new trial has already. */
function mixtureOf(
  hyperparameters: readonly Hyperparameter[],
  trials: readonly number[],
  given: HyperparameterValues,
  { asked, proposed }: SearchState,
): Mixture {
  const hyperparameterOf = (trial: number, name: string) => byName(asked.get(trial)!).get(name);
  const hasSame = (trial: number, h: Hyperparameter) => {
    const found = hyperparameterOf(trial, h.name);
    return found !== undefined && hasSameValues(found, h);
  };
  const kernelsOf = (h: Hyperparameter, numbers: readonly number[]) =>
    parzenKernels(
      h,
      numbers.map((trial) => proposed.get(trial)![h.name]!),
    );
  const members = trials.filter((trial) => hyperparameters.every((h) => hasSame(trial, h)));
  let weights = normalize(kernelWeights(members.length));
  for (const [name, value] of Object.entries(given)) {
    // The hyperparameter as these trials have it: under another condition, its name may have other values.
    const conditioning = members
      .map((trial) => hyperparameterOf(trial, name))
      .find((other) => other && isValueOf(other, value));
    if (conditioning === undefined) continue;
    const trialsWithIt = members.filter((trial) => hasSame(trial, conditioning));
    const densities = kernelsOf(conditioning, trialsWithIt).densities(value);
    const densityOfTrial = new Map(trialsWithIt.map((trial, i) => [trial, densities[i]!]));
    weights = conditionOn(weights, [...members.map((trial) => densityOfTrial.get(trial) ?? 1), densities.at(-1)!]);
  }
  return { weights, kernels: hyperparameters.map((h) => kernelsOf(h, members)) };
}

/** Returns the values of the candidate with the highest l / g, of those drawn from l. */
function bestCandidate(
  hyperparameters: readonly Hyperparameter[],
  l: Mixture,
  g: Mixture,
  random: RandomStream,
): HyperparameterValue[] {
  let [best, bestRatio] = [[] as HyperparameterValue[], Number.NEGATIVE_INFINITY];
  for (let i = 0; i < CANDIDATES; i++) {
    // By the chain rule, each value is drawn, and its densities are computed, given the values before it.
    let [goodWeights, badWeights, ratio] = [l.weights, g.weights, 0];
    const values = hyperparameters.map((_, index) => {
      const value = l.kernels[index]!.sample(pick(goodWeights, random), random);
      const [good, bad] = [l.kernels[index]!.densities(value), g.kernels[index]!.densities(value)];
      ratio += Math.log(dot(goodWeights, good) / dot(badWeights, bad));
      [goodWeights, badWeights] = [conditionOn(goodWeights, good), conditionOn(badWeights, bad)];
      return value;
    });
    if (i === 0 || ratio > bestRatio) [best, bestRatio] = [values, ratio];
  }
  return best;
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const conditionOn = (weights: readonly number[], densities: readonly number[]) =>
  normalize(weights.map((weight, i) => weight * densities[i]!));

/** Scales weights to a sum of 1, so that products of many densities neither overflow nor underflow. */
function normalize(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

const indexes = new WeakMap<readonly Hyperparameter[], ReadonlyMap<string, Hyperparameter>>();
/** Returns hyperparameters by name. The index of a list is cached, because every draw reads all trials. */
function byName(list: readonly Hyperparameter[]): ReadonlyMap<string, Hyperparameter> {
  const nameIndex = indexes.get(list) ?? new Map(list.map((h) => [h.name, h]));
  indexes.set(list, nameIndex);
  return nameIndex;
}
