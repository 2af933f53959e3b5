import { HyperParameters } from '../../src/search/hyperparameters.ts';
import type { Oracle, SearchState } from '../../src/search/oracle.ts';
import type { Hyperparameter, HyperparameterValues, Objective, Trial } from '../../src/search/record.ts';

/** Returns the score of a trial; null if it fails. */
export type Score = (values: HyperparameterValues, number: number) => number | null;

export interface SimulationOptions {
  seed?: number;
  objective?: Objective;
  /** Most trials, whatever the oracle proposes. */
  maxTrials?: number;
}

export interface Simulation {
  state: SearchState & { finished: Map<number, Trial> };
  /** Whether the oracle reported that there are no more trials. */
  isOver: boolean;
}

export function trialOf(number: number, values: HyperparameterValues, score: number | null): Trial {
  const status = score === null ? 'failed' : 'completed';
  const seconds = { setUp: 0, total: 0 };
  const bestEpoch = score === null ? null : 1;
  return { number, values, status, score, bestEpoch, histories: [], parameters: null, seconds, adapter: 'none' };
}

/** Returns the values of a trial, and the hyperparameters that its builder asks for. */
export function buildTrial(
  oracle: Oracle,
  build: (hp: HyperParameters) => unknown,
  number: number,
  set: HyperparameterValues,
  state: SearchState,
  attempt = 0,
): { values: HyperparameterValues; asked: readonly Hyperparameter[] } {
  const hp = new HyperParameters({ values: set, draw: (h, values) => oracle.draw(h, number, attempt, values, state) });
  build(hp);
  return { values: hp.values, asked: hp.asked };
}

/** Simulates a search without models: trials one after another, with scores from a function. */
export function simulateSearch(
  oracle: Oracle,
  build: (hp: HyperParameters) => unknown,
  score: Score,
  options: SimulationOptions = {},
): Simulation {
  const { seed = 0, objective = { name: 'loss', direction: 'min' }, maxTrials = 1000 } = options;
  const [finished, proposed, asked] = [
    new Map<number, Trial>(),
    new Map<number, HyperparameterValues>(),
    new Map<number, readonly Hyperparameter[]>(),
  ];
  const state = { seed, objective, finished, proposed, asked };
  for (let number = 0; number < maxTrials; number++) {
    const proposal = oracle.propose(number, state);
    if (proposal === null) return { state, isOver: true };
    if (proposal === 'wait') throw new Error(`trial ${number} waits, although all trials before it have ended`);
    const trial = buildTrial(oracle, build, number, proposal.values, state);
    proposed.set(number, trial.values);
    asked.set(number, trial.asked);
    finished.set(number, trialOf(number, trial.values, score(trial.values, number)));
  }
  return { state, isOver: false };
}
