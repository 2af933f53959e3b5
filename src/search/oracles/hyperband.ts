import { checkOptions } from '../../base/check.ts';
import { TUNER_PREFIX } from '../define.ts';
import type { Oracle, Proposal, SearchState } from '../oracle.ts';
import { checkCount, MAX_ATTEMPTS } from './options.ts';
import { drawAtRandom } from './random.ts';
import { hasScore, rankTrials } from './ranking.ts';

export interface HyperbandOptions {
  /** Epochs of the trials that are trained longest; default 100, as in KerasTuner. */
  maxEpochs?: number;
  /** Each round keeps the best 1 in `factor` trials and trains them for `factor` times the epochs; default 3. */
  factor?: number;
  /** How often all brackets run, each time with new trials; default 1. */
  hyperbandIterations?: number;
}

/** Trials of one bracket that train for the same number of epochs. */
export interface Round {
  /** Number of the bracket's rounds after the first. The bracket with the most rounds comes first. */
  bracket: number;
  /** Number of the round within its bracket, from 0. */
  round: number;
  /** Number of the first of its trials, counted from the beginning of the iteration. */
  start: number;
  /** Number of its trials. */
  size: number;
  /** Last epoch of its trials, counted from 1; earlier rounds are included. */
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
  let endSize = 1; // ceil(1 + log_f R): logarithms of powers are not exact integers
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
 * The oracle of Hyperband: brackets of rounds, where each round trains the best trials of the previous round for longer.
 *
 * The numbers of all trials are known in advance: bracket by bracket and round by round, as in KerasTuner if trials run one after another.
 * Trial j of a round continues the j-th best trial of the previous round from its weights. It waits for the whole previous round.
 * KerasTuner starts it as soon as enough trials have ended, so its result depends on which trials end first. `propose` reads only trials of
 * the previous round, so trials of other brackets can be proposed while one waits.
 *
 * If so many trials of a round failed that too few are left, the next round trains some of the failed ones again, from the first epoch.
 * @throws ArgumentError for impossible options
 */
export function hyperbandOracle(options: HyperbandOptions = {}): Oracle {
  const subject = 'Hyperband';
  checkOptions(subject, options, { maxEpochs: true, factor: true, hyperbandIterations: true });
  const maxEpochs = checkCount(subject, 'maxEpochs', options.maxEpochs ?? 100);
  const factor = checkCount(subject, 'factor', options.factor ?? 3, 2);
  const iterations = checkCount(subject, 'hyperbandIterations', options.hyperbandIterations ?? 1);
  const rounds = hyperbandRounds(maxEpochs, factor);
  const trials = rounds.reduce((sum, { size }) => sum + size, 0);
  return {
    propose(number, state) {
      if (number >= trials * iterations) return null;
      const position = number % trials;
      const roundIndex = rounds.findLastIndex(({ start }) => start <= position);
      const round = rounds[roundIndex]!;
      if (round.round === 0) return proposalOf(round, {}, 0);
      return promote(position - round.start, round, rounds[roundIndex - 1]!, number - position, state);
    },
    draw: drawAtRandom,
    attempts: MAX_ATTEMPTS,
  };
}

/** Returns the trial that continues the trial of a rank of the previous round. @param base number of the first trial of the iteration */
function promote(rank: number, round: Round, previous: Round, base: number, state: SearchState): Proposal | 'wait' {
  const numbers = Array.from({ length: previous.size }, (_, i) => base + previous.start + i);
  if (!numbers.every((other) => state.finished.has(other))) return 'wait';
  const from = rankTrials(numbers, state)[rank]!;
  const searched = Object.entries(state.proposed.get(from)!).filter(([name]) => !name.startsWith(TUNER_PREFIX));
  const values = Object.fromEntries(searched);
  if (!hasScore(from, state)) return proposalOf(round, values, 0); // a failed trial has no weights
  return { ...proposalOf(round, { ...values, 'tuner/trial_number': from }, previous.epochs), from };
}

function proposalOf(round: Round, values: Proposal['values'], initialEpoch: number): Proposal {
  const { epochs } = round;
  const searcherValues = {
    'tuner/bracket': round.bracket,
    'tuner/round': round.round,
    'tuner/epochs': epochs,
    'tuner/initial_epoch': initialEpoch,
  };
  return { values: { ...values, ...searcherValues }, epochs, initialEpoch };
}
