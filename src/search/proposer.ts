import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { type BuildModel, callBuilder } from './build-model.ts';
import { TUNER_PREFIX } from './define.ts';
import { HyperParameters } from './hyperparameters.ts';
import type { Oracle, Proposal, SearchState } from './oracle.ts';
import type { Hyperparameter, HyperparameterValues, Objective, Trial } from './record.ts';
import { describe, hasSameValues } from './space.ts';

/** A trial to run, with all its values; `error` if the builder threw for them. */
export interface ProposedTrial extends Required<Pick<Proposal, 'values'>>, Omit<Proposal, 'values'> {
  error?: { thrown: unknown };
}

/** Limit of the conditional scopes that are explored before the search: far more than a builder has. */
const MAX_SCOPES = 1000;

/** Requests trials from an oracle, and runs the builder without a device to find the values that they need. */
export class Proposer {
  /** The hyperparameters that `explore` found, before any trial. */
  private readonly explored: Hyperparameter[] = [];
  /** Trials that ended, by number. */
  readonly finished = new Map<number, Trial>();
  private readonly proposed = new Map<number, HyperparameterValues>();
  private readonly asked = new Map<number, readonly Hyperparameter[]>();
  /** The lowest number of a trial with certain values, by the key of the values. */
  private readonly firstNumberByKey = new Map<string, number>();
  private highestNumber = -1;

  constructor(
    private readonly who: string,
    private readonly oracle: Oracle,
    private readonly buildModel: BuildModel,
    private readonly options: { seed: number; objective: Objective },
  ) {}

  /**
   * Finds the space: the hyperparameters that the builder requests with defaults, and in each conditional scope, as KerasTuner does.
   * @throws ArgumentError for a builder that requests nothing or returns no model; errors of the builder
   */
  explore(): void {
    const pending: HyperparameterValues[] = [{}];
    const seen = new Set<string>();
    for (let values = pending.shift(); values !== undefined && seen.size < MAX_SCOPES; values = pending.shift()) {
      const hp = new HyperParameters({ values });
      callBuilder(this.buildModel, hp);
      addNew(this.explored, hp.asked);
      for (const scope of hp.skippedScopes) {
        const entered = {
          ...values,
          ...Object.fromEntries(scope.map(({ name, values: accepted }) => [name, accepted[0]!])),
        };
        const key = keyOf(entered);
        if (!seen.has(key)) pending.push(entered);
        seen.add(key);
      }
    }
    if (this.explored.some(({ kind }) => kind !== 'fixed')) return;
    throw new ArgumentError(
      `${this.who}: buildModel asks hp for no hyperparameter${this.explored.length > 0 ? ' that can change' : ''}, so there is nothing to ` +
        "search; ask for one, such as hp.int('units', { min: 8, max: 64 })",
    );
  }

  /** Every hyperparameter that the builder requested: those that `explore` found, then those of each trial, by number. */
  get space(): Hyperparameter[] {
    const space = [...this.explored];
    for (const number of [...this.asked.keys()].sort((a, b) => a - b)) addNew(space, this.asked.get(number)!);
    return space;
  }

  /** Yields the differences between the stored space of a search and that of the builder, in words. */
  *differences(stored: readonly Hyperparameter[]): Generator<string> {
    for (const h of this.explored) {
      const other = stored.find(({ name }) => name === h.name);
      if (!other) yield `${h.name}, ${describe(h)}, is new`;
      else if (!hasSameValues(other, h)) yield `${h.name} was ${describe(other)} and is ${describe(h)}`;
      else if (this.oracle.isOrdered && h.kind !== 'fixed' && other.kind !== 'fixed' && h.default !== other.default) {
        yield `the default of ${h.name} was ${formatValue(other.default)} and is ${formatValue(h.default)}`;
      }
    }
  }

  /**
   * Adds a trial that ended earlier, and runs the builder with its values.
   * @returns how the builder's requests differ from the trial's values, in words; null if they do not
   */
  replay(trial: Trial): string | null {
    const { number, values, status } = trial;
    const missing: string[] = [];
    const draw = (h: Hyperparameter) => {
      missing.push(h.name);
      return h.kind === 'fixed' ? h.value : h.default;
    };
    const hp = new HyperParameters({ values, draw });
    let failure: string | null = null;
    try {
      callBuilder(this.buildModel, hp);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    this.finished.set(number, trial);
    // A builder that threw may be fixed by now; hyperparameters that it requests beyond the trial's values were never drawn.
    this.recordValues(
      number,
      values,
      hp.asked.filter(({ name }) => Object.hasOwn(values, name)),
    );
    if (status === 'failed') return null;
    if (failure !== null) return `with the values of trial ${number}, the builder fails: ${failure}`;
    if (missing.length > 0) return `trial ${number} has no value of ${missing.join(', ')}`;
    const unasked = hp.unasked;
    if (unasked.length > 0) return `${unasked.join(', ')} of trial ${number} is no longer asked for`;
    const [before, now] = [values, hp.values].map((named) => Object.keys(named).join(', '));
    return this.oracle.isOrdered && before !== now ? `trial ${number} asked for ${before}, and now for ${now}` : null;
  }

  /** Returns the trial of a number, after all lower numbers were proposed: see `Oracle.propose`. */
  propose(number: number): ProposedTrial | 'wait' | null {
    const state = this.stateBelow(number);
    const proposal = this.oracle.propose(number, state);
    if (proposal === null || proposal === 'wait') return proposal;
    const { attempts = 1 } = this.oracle;
    for (let attempt = 0; attempt < attempts; attempt++) {
      let isDrawn = false;
      let drawError: { thrown: unknown } | null = null;
      const draw = (h: Hyperparameter, values: HyperparameterValues) => {
        isDrawn = true;
        try {
          return this.oracle.draw(h, number, attempt, values, state);
        } catch (thrown) {
          drawError = { thrown };
          throw thrown;
        }
      };
      const hp = new HyperParameters({ values: proposal.values, draw });
      let error: { thrown: unknown } | undefined;
      try {
        callBuilder(this.buildModel, hp);
      } catch (thrown) {
        error = { thrown };
      }
      if (drawError) throw (drawError as { thrown: unknown }).thrown;
      const { values, asked } = hp;
      if (isDrawn && (this.firstNumberByKey.get(keyOf(values)) ?? number) < number) continue;
      this.recordValues(number, values, asked);
      return { ...proposal, values, ...(error ? { error } : {}) };
    }
    return null;
  }

  private recordValues(number: number, values: HyperparameterValues, asked: readonly Hyperparameter[]): void {
    this.proposed.set(number, values);
    this.asked.set(number, asked);
    this.highestNumber = Math.max(this.highestNumber, number);
    const key = keyOf(values);
    this.firstNumberByKey.set(key, Math.min(number, this.firstNumberByKey.get(key) ?? number));
  }

  /**
   * Returns the state when all trials below a number were proposed and no later one, because a proposal must not depend on later trials.
   */
  private stateBelow(number: number): SearchState {
    const isLast = this.highestNumber < number;
    const below = <T>(map: ReadonlyMap<number, T>): ReadonlyMap<number, T> =>
      isLast ? map : new Map([...map].filter(([other]) => other < number));
    const { finished, proposed, asked, options } = this;
    return { ...options, finished: below(finished), proposed: below(proposed), asked: below(asked) };
  }
}

/** Adds the hyperparameters whose names `space` does not contain yet. */
function addNew(space: Hyperparameter[], asked: readonly Hyperparameter[]): void {
  for (const h of asked) if (!space.some(({ name }) => name === h.name)) space.push(h);
}

/** Returns values as one text, without those of the searcher. */
const keyOf = (values: HyperparameterValues): string =>
  JSON.stringify(
    Object.entries(values)
      .filter(([name]) => !name.startsWith(TUNER_PREFIX))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
