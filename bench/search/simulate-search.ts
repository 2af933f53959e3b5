import { HyperParameters } from '../../src/search/hyperparameters.ts';
import type { Oracle, SearchState } from '../../src/search/oracle.ts';
import type { Hyperparameter, HyperparameterValues, Objective, Trial } from '../../src/search/record.ts';

/** What a trial came to: its score, or null where it failed. */
export type Score = (values: HyperparameterValues, number: number) => number | null;

export interface DriveOptions {
  seed?: number;
  objective?: Objective;
  /** Numbers after which the drive ends, whatever the oracle says. */
  most?: number;
}

export interface Drive {
  state: SearchState & { finished: Map<number, Trial> };
  /** Whether the oracle said that there are no more trials. */
  isOver: boolean;
}

export function trialOf(number: number, values: HyperparameterValues, score: number | null): Trial {
  const status = score === null ? 'failed' : 'completed';
  const seconds = { setUp: 0, total: 0 };
  const bestEpoch = score === null ? null : 1;
  return { number, values, status, score, bestEpoch, histories: [], parameters: null, seconds, adapter: 'none' };
}

/** The values of a trial, and what its builder asks for. */
export function populate(
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

/** A search without models: trials one after another, each with the score that a function gives it. */
export function drive(
  oracle: Oracle,
  build: (hp: HyperParameters) => unknown,
  score: Score,
  options: DriveOptions = {},
): Drive {
  const { seed = 0, objective = { name: 'loss', direction: 'min' }, most = 1000 } = options;
  const [finished, proposed, asked] = [
    new Map<number, Trial>(),
    new Map<number, HyperparameterValues>(),
    new Map<number, readonly Hyperparameter[]>(),
  ];
  const state = { seed, objective, finished, proposed, asked };
  for (let number = 0; number < most; number++) {
    const proposal = oracle.propose(number, state);
    if (proposal === null) return { state, isOver: true };
    if (proposal === 'wait') throw new Error(`trial ${number} waits, though all before it ended`);
    const trial = populate(oracle, build, number, proposal.values, state);
    proposed.set(number, trial.values);
    asked.set(number, trial.asked);
    finished.set(number, trialOf(number, trial.values, score(trial.values, number)));
  }
  return { state, isOver: false };
}
