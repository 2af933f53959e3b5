import { checkOptions } from '../../check.ts';
import { drawStream } from '../draw.ts';
import type { Oracle, SearchState } from '../oracle.ts';
import type { Hyperparameter, HyperparameterValue } from '../record.ts';
import { hasSameValues } from '../space.ts';
import { checkCount, MAX_ATTEMPTS } from './options.ts';
import { parzenEstimator } from './parzen.ts';
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
 * for hyper-parameter optimization", NeurIPS 2011.
 *
 * The best tenth of the trials count as good, the others as bad. Of each hyperparameter, for itself, densities l of the good
 * and g of the bad trials' values are estimated; of 24 values drawn from l the one with the highest l / g is taken, which has the highest
 * expected improvement. Hyperparameters that only some trials have are estimated from those. A failed trial counts as bad.
 * @throws ArgumentError for impossible options
 */
export function tpeOracle(options: TpeOptions = {}): Oracle {
  const what = 'BayesianOptimization';
  checkOptions(what, options, { maxTrials: true, startup: true, parallelTrials: true });
  const maxTrials = checkCount(what, 'maxTrials', options.maxTrials ?? 10);
  const startup = checkCount(what, 'startup', options.startup ?? 10);
  const parallel = checkCount(what, 'parallelTrials', options.parallelTrials ?? 1);
  /** Trials below it are gone by. */
  const horizonOf = (number: number): number => (number < startup ? 0 : number - ((number - startup) % parallel));
  return {
    propose(number, { finished }) {
      if (number >= maxTrials) return null;
      const horizon = horizonOf(number);
      for (let before = 0; before < horizon; before++) if (!finished.has(before)) return 'wait';
      return { values: {} };
    },
    draw(hyperparameter, number, attempt, values, state) {
      const horizon = horizonOf(number);
      if (horizon === 0 || attempt >= GUIDED_ATTEMPTS) return drawAtRandom(hyperparameter, number, attempt, values, state);
      return drawGuided(hyperparameter, number, attempt, horizon, state);
    },
    attempts: GUIDED_ATTEMPTS + MAX_ATTEMPTS,
  };
}

function drawGuided(
  h: Hyperparameter,
  number: number,
  attempt: number,
  horizon: number,
  state: SearchState,
): HyperparameterValue {
  const ranked = rankTrials([...new Array(horizon).keys()], state);
  const good = new Set(ranked.slice(0, goodOf(horizon)).filter((other) => hasScore(other, state)));
  const valuesOf = (isGood: boolean) =>
    [...new Array(horizon).keys()]
      .filter((other) => good.has(other) === isGood && state.asked.get(other)!.some((asked) => hasSameValues(asked, h)))
      .map((other) => state.proposed.get(other)![h.name]!);
  const [l, g] = [parzenEstimator(h, valuesOf(true)), parzenEstimator(h, valuesOf(false))];
  const random = drawStream(state.seed, number, attempt, h.name);
  let [best, bestRatio] = [l.sample(random), Number.NEGATIVE_INFINITY];
  for (let i = 0; i < CANDIDATES; i++) {
    const candidate = i === 0 ? best : l.sample(random);
    const ratio = l.logDensity(candidate) - g.logDensity(candidate);
    if (ratio > bestRatio) [best, bestRatio] = [candidate, ratio];
  }
  return best;
}
