import { checkOptions } from '../../base/check.ts';
import { TUNER_PREFIX } from '../define.ts';
import type { Oracle, Proposal, SearchState } from '../oracle.ts';
import { checkCount, MAX_ATTEMPTS } from './options.ts';
import { drawAtRandom } from './random.ts';
import { hasScore, rankTrials } from './ranking.ts';

export interface HyperbandOptions {
  /** Epochs of the trials that are trained longest; default 100, as in KerasTuner. */
  maxEpochs?: number;
  /** The best 1 in `factor` of a round go on to the next, with `factor` times the epochs; default 3. */
  factor?: number;
  /** How often all brackets are gone through, each time with new trials; default 1. */
  hyperbandIterations?: number;
}

/** Trials of one bracket that train for the same number of epochs. */
export interface Round {
  /** The number of rounds after the first; the bracket with the most comes first. */
  bracket: number;
  /** From 0 within its bracket. */
  round: number;
  /** Number of the first of its trials, counted from the begin of the iteration. */
  start: number;
  /** Number of its trials. */
  size: number;
  /** Epochs that its trials have behind them in the end. */
  epochs: number;
}

/**
 * The rounds of one iteration of Hyperband (Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A novel bandit-based approach to
 * hyperparameter optimization", JMLR 18, 2018), with sizes and epochs as KerasTuner has them. With R = maxEpochs, f = factor:
 *
 *     brackets            floor(log_f R) + 1
 *     size of round r     ceil(ceil(1 + log_f R) / (b + 1) * f^(b - r))   of bracket b
 *     epochs of round r   ceil(R / f^(b - r))
 *
 * Algorithm 1 of the paper has floor(log_f R) + 1 in place of ceil(1 + log_f R), which is the same for powers of f, and
 * rounds the sizes of later rounds down.
 */
export function hyperbandRounds(maxEpochs: number, factor: number): Round[] {
  let brackets = 0;
  for (let epochs = maxEpochs; epochs >= 1; epochs /= factor) brackets++;
  let endSize = 1; // ceil(1 + log_f R): logarithms of powers would not come out whole
  for (let power = 1; power < maxEpochs; power *= factor) endSize++;
  const rounds: Round[] = [];
  let start = 0;
  for (let bracket = brackets - 1; bracket >= 0; bracket--) {
    for (let round = 0; round <= bracket; round++) {
      const power = factor ** (bracket - round);
      const size = Math.ceil((endSize / (bracket + 1)) * power);
      rounds.push({ bracket, round, start, size, epochs: Math.ceil(maxEpochs / power) });
      start += size;
    }
  }
  return rounds;
}

/**
 * The oracle of Hyperband: brackets of rounds, of which each trains the best of the one before for longer.
 *
 * Which trial has which number is known in advance: bracket after bracket and round after round, as KerasTuner has them when
 * trials run one after another. The trial in place j of a round goes on with the j-th best of the round before, from its weights;
 * it waits for all of that round. KerasTuner starts it as soon as enough have ended, which depends on who was first.
 * `propose` reads only trials of the round before, so that numbers of other rounds can be asked for while it waits.
 *
 * Where more trials of a round failed than are left behind, the next round trains some of these once more, from the first epoch.
 * @throws ArgumentError for impossible options
 */
export function hyperbandOracle(options: HyperbandOptions = {}): Oracle {
  const what = 'Hyperband';
  checkOptions(what, options, { maxEpochs: true, factor: true, hyperbandIterations: true });
  const maxEpochs = checkCount(what, 'maxEpochs', options.maxEpochs ?? 100);
  const factor = checkCount(what, 'factor', options.factor ?? 3, 2);
  const iterations = checkCount(what, 'hyperbandIterations', options.hyperbandIterations ?? 1);
  const rounds = hyperbandRounds(maxEpochs, factor);
  const trials = rounds.reduce((sum, { size }) => sum + size, 0);
  return {
    propose(number, state) {
      if (number >= trials * iterations) return null;
      const place = number % trials;
      const at = rounds.findLastIndex(({ start }) => start <= place);
      const round = rounds[at]!;
      if (round.round === 0) return proposalOf(round, {}, 0);
      return promote(place - round.start, round, rounds[at - 1]!, number - place, state);
    },
    draw: drawAtRandom,
    attempts: MAX_ATTEMPTS,
  };
}

/** The trial of a place in a round. @param base number of the first trial of the iteration */
function promote(place: number, round: Round, before: Round, base: number, state: SearchState): Proposal | 'wait' {
  const numbers = Array.from({ length: before.size }, (_, i) => base + before.start + i);
  if (!numbers.every((other) => state.finished.has(other))) return 'wait';
  const from = rankTrials(numbers, state)[place]!;
  const own = Object.entries(state.proposed.get(from)!).filter(([name]) => !name.startsWith(TUNER_PREFIX));
  const values = Object.fromEntries(own);
  if (!hasScore(from, state)) return proposalOf(round, values, 0); // it left no weights
  return { ...proposalOf(round, { ...values, 'tuner/trial_number': from }, before.epochs), from };
}

function proposalOf(round: Round, values: Proposal['values'], initialEpoch: number): Proposal {
  const { epochs } = round;
  const searchers = {
    'tuner/bracket': round.bracket,
    'tuner/round': round.round,
    'tuner/epochs': epochs,
    'tuner/initial_epoch': initialEpoch,
  };
  return { values: { ...values, ...searchers }, epochs, initialEpoch };
}
