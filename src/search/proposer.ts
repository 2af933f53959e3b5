import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { type BuildModel, callBuilder } from './build-model.ts';
import { TUNER_PREFIX } from './define.ts';
import { HyperParameters } from './hyperparameters.ts';
import type { Oracle, Proposal, SearchState } from './oracle.ts';
import type { Hyperparameter, HyperparameterValues, Objective, Trial } from './record.ts';
import { describe, hasSameValues } from './space.ts';

/** A trial that is to run, with every value; `error` is what the builder threw for them. */
export interface Proposed extends Required<Pick<Proposal, 'values'>>, Omit<Proposal, 'values'> {
  error?: { thrown: unknown };
}

/** Models of conditional scopes that are looked into before the search: far more than anybody writes. */
const MAX_SCOPES = 1000;

/** Asks an oracle for trials, and the builder, run without a device, for the values that they need. */
export class Proposer {
  /** What the builder asked for before any trial, with defaults. */
  private readonly explored: Hyperparameter[] = [];
  /** Trials that ended, by number. */
  readonly finished = new Map<number, Trial>();
  private readonly proposed = new Map<number, HyperparameterValues>();
  private readonly asked = new Map<number, readonly Hyperparameter[]>();
  /** By a trial's values as one text, the lowest number that has them. */
  private readonly firstWith = new Map<string, number>();
  private highest = -1;

  constructor(
    private readonly who: string,
    private readonly oracle: Oracle,
    private readonly buildModel: BuildModel,
    private readonly options: { seed: number; objective: Objective },
  ) {}

  /**
   * Learns the space: what the builder asks for with defaults, and in each conditional scope, as KerasTuner does.
   * @throws ArgumentError for a builder that asks for nothing, or returns no model; what it throws
   */
  explore(): void {
    const waiting: HyperparameterValues[] = [{}];
    const seen = new Set<string>();
    for (let values = waiting.shift(); values !== undefined && seen.size < MAX_SCOPES; values = waiting.shift()) {
      const hp = new HyperParameters({ values });
      callBuilder(this.buildModel, hp);
      addNew(this.explored, hp.asked);
      for (const scope of hp.skippedScopes) {
        const entered = { ...values, ...Object.fromEntries(scope.map((one) => [one.name, one.values[0]!])) };
        const key = keyOf(entered);
        if (!seen.has(key)) waiting.push(entered);
        seen.add(key);
      }
    }
    if (this.explored.some(({ kind }) => kind !== 'fixed')) return;
    throw new ArgumentError(
      `${this.who}: buildModel asks hp for no hyperparameter${this.explored.length > 0 ? ' that can change' : ''}, so there is nothing to ` +
        "search; ask for one, such as hp.int('units', { min: 8, max: 64 })",
    );
  }

  /** Every hyperparameter that the builder asked for: first those of no trial, then trial by trial, whichever began first. */
  get space(): Hyperparameter[] {
    const space = [...this.explored];
    for (const number of [...this.asked.keys()].sort((a, b) => a - b)) addNew(space, this.asked.get(number)!);
    return space;
  }

  /** In what the space of a search that is gone on with differs from that of the builder, in words. */
  *differences(stored: readonly Hyperparameter[]): Generator<string> {
    for (const one of this.explored) {
      const other = stored.find(({ name }) => name === one.name);
      if (!other) yield `${one.name}, ${describe(one)}, is new`;
      else if (!hasSameValues(other, one)) yield `${one.name} was ${describe(other)} and is ${describe(one)}`;
      else if (
        this.oracle.isOrdered &&
        one.kind !== 'fixed' &&
        other.kind !== 'fixed' &&
        one.default !== other.default
      ) {
        yield `the default of ${one.name} was ${formatValue(other.default)} and is ${formatValue(one.default)}`;
      }
    }
  }

  /**
   * Takes a trial that ended earlier, and asks the builder what it asks for with the trial's values.
   * @returns in what they differ from what the builder asks for now, in words; null where they do not
   */
  replay(trial: Trial): string | null {
    const { number, values, status } = trial;
    const missing: string[] = [];
    const draw = (one: Hyperparameter) => {
      missing.push(one.name);
      return one.kind === 'fixed' ? one.value : one.default;
    };
    const hp = new HyperParameters({ values, draw });
    let why: string | null = null;
    try {
      callBuilder(this.buildModel, hp);
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
    this.finished.set(number, trial);
    // A builder that threw may have been mended since: what it asks for beyond the trial's values was never drawn.
    this.note(
      number,
      values,
      hp.asked.filter(({ name }) => Object.hasOwn(values, name)),
    );
    if (status === 'failed') return null;
    if (why !== null) return `with the values of trial ${number}, the builder fails: ${why}`;
    if (missing.length > 0) return `trial ${number} has no value of ${missing.join(', ')}`;
    const gone = hp.unasked;
    if (gone.length > 0) return `${gone.join(', ')} of trial ${number} is no longer asked for`;
    const [before, now] = [values, hp.values].map((one) => Object.keys(one).join(', '));
    return this.oracle.isOrdered && before !== now ? `trial ${number} asked for ${before}, and now for ${now}` : null;
  }

  /** The trial of a number, all below it being known: see `Oracle.propose`. */
  propose(number: number): Proposed | 'wait' | null {
    const state = this.stateBelow(number);
    const proposal = this.oracle.propose(number, state);
    if (proposal === null || proposal === 'wait') return proposal;
    const { attempts = 1 } = this.oracle;
    for (let attempt = 0; attempt < attempts; attempt++) {
      let isDrawn = false;
      let wrong: { thrown: unknown } | null = null;
      const draw = (one: Hyperparameter, values: HyperparameterValues) => {
        isDrawn = true;
        try {
          return this.oracle.draw(one, number, attempt, values, state);
        } catch (thrown) {
          wrong = { thrown };
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
      if (wrong) throw (wrong as { thrown: unknown }).thrown;
      const { values, asked } = hp;
      if (isDrawn && (this.firstWith.get(keyOf(values)) ?? number) < number) continue;
      this.note(number, values, asked);
      return { ...proposal, values, ...(error ? { error } : {}) };
    }
    return null;
  }

  private note(number: number, values: HyperparameterValues, asked: readonly Hyperparameter[]): void {
    this.proposed.set(number, values);
    this.asked.set(number, asked);
    this.highest = Math.max(this.highest, number);
    const key = keyOf(values);
    this.firstWith.set(key, Math.min(number, this.firstWith.get(key) ?? number));
  }

  /** What was known as all trials below a number were proposed and none after it: others say nothing about it. */
  private stateBelow(number: number): SearchState {
    const isLast = this.highest < number;
    const below = <T>(map: ReadonlyMap<number, T>): ReadonlyMap<number, T> =>
      isLast ? map : new Map([...map].filter(([other]) => other < number));
    const { finished, proposed, asked, options } = this;
    return { ...options, finished: below(finished), proposed: below(proposed), asked: below(asked) };
  }
}

/** Adds those of a name that is not there yet. */
function addNew(space: Hyperparameter[], asked: readonly Hyperparameter[]): void {
  for (const one of asked) if (!space.some(({ name }) => name === one.name)) space.push(one);
}

/** Values in one text, without the searcher's own. */
const keyOf = (values: HyperparameterValues): string =>
  JSON.stringify(
    Object.entries(values)
      .filter(([name]) => !name.startsWith(TUNER_PREFIX))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
