import { AbortedError, SearchError } from '../base/errors.ts';
import type { ProposedTrial, Proposer } from './proposer.ts';
import type { Trial } from './record.ts';
import { failedTrial } from './run-trial.ts';
import type { SearchStore } from './store.ts';
import type { TrialDescription, TrialRunner } from './trial.ts';

/** Limit of the later numbers that are tried while a trial waits. */
const MAX_LOOK_AHEAD = 2000;

export interface TrialLoopOptions {
  /** The searcher's name, for messages. */
  who: string;
  proposer: Proposer;
  store: SearchStore;
  runner: TrialRunner;
  /** Returns the horizon of a trial, which uses only results of trials with lower numbers: see `horizonOf`. */
  horizon(number: number): number;
  /** Returns the description of a proposed trial for its runner. */
  describe(number: number, proposed: ProposedTrial): TrialDescription;
  maxConsecutiveFailures: number;
  signal?: AbortSignal | undefined;
  onBegin(trial: TrialDescription): unknown;
  /** Called when a trial is on the disk. */
  onEnd(trial: Trial): unknown;
}

/** Proposes trials in the order of their numbers, runs as many at once as the runner supports, and saves their results. */
export class TrialLoop {
  private readonly running = new Map<number, Promise<void>>();
  /** Reasons of the trials that failed in this loop, by number. A resumed search counts its failures again from 0. */
  private readonly failed = new Map<number, string | undefined>();
  private readonly ending = new AbortController();
  /** The error that ends the loop. */
  private error: { thrown: unknown } | null = null;
  /** The lowest number of a trial that has not started. */
  private next = 0;
  private isOver = false;

  constructor(private readonly options: TrialLoopOptions) {}

  /** Runs until no trial is left. @throws SearchError for too many failed trials; AbortedError after `signal`; errors of the runner */
  async run(): Promise<void> {
    const { signal } = this.options;
    while (await this.begin()) await Promise.race(this.running.values());
    if (this.error) throw this.error.thrown;
    if (signal?.aborted && !this.isOver) throw this.stoppedError();
  }

  /** Begins trials until none can begin or the runner is full. @returns whether a trial runs */
  private async begin(): Promise<boolean> {
    const { runner, signal } = this.options;
    try {
      while (this.running.size < runner.concurrency && !this.error && !signal?.aborted) {
        const found = this.nextTrial();
        if (found === null) break;
        const { number, proposed } = found;
        if (proposed.error)
          await this.end(number, failedTrial({ number, values: proposed.values }, proposed.error.thrown), null);
        else this.start(number, proposed);
      }
    } catch (thrown) {
      this.fail(thrown); // `run` throws it after the running trials have ended
    }
    return this.running.size > 0;
  }

  /** Ends the loop with an error: stops the running trials, as a signal does. */
  private fail(thrown: unknown): void {
    this.error ??= { thrown };
    this.ending.abort();
  }

  /**
   * Returns the trial with the lowest number that can start; null if none can now. A trial of a later round of Hyperband waits for
   * results; trials of other brackets need not wait for it.
   */
  private nextTrial(): { number: number; proposed: ProposedTrial } | null {
    const { who, proposer, runner } = this.options;
    while (this.isTaken(this.next)) this.next++;
    const end = this.next + (runner.concurrency > 1 ? MAX_LOOK_AHEAD : 1);
    for (let number = this.next; number < end; number++) {
      if (this.isTaken(number)) continue;
      const proposed = this.isEarly(number) ? 'wait' : proposer.propose(number);
      if (proposed === null) {
        this.isOver ||= number === this.next;
        break;
      }
      if (proposed !== 'wait') return { number, proposed };
    }
    if (this.isOver || this.running.size > 0) return null;
    throw new SearchError(
      `${who}: trial ${this.next} waits for results, but no trial runs; this is a bug of its oracle`,
    );
  }

  private isTaken(number: number): boolean {
    return this.running.has(number) || this.options.proposer.finished.has(number);
  }

  /** Whether a trial below the horizon of this one has not ended. */
  private isEarly(number: number): boolean {
    const { proposer, horizon } = this.options;
    const end = horizon(number);
    for (const other of this.running.keys()) if (other < end) return true;
    for (let other = this.next; other < end; other++) if (!proposer.finished.has(other)) return true;
    return false;
  }

  /** Starts a trial. It counts as running until it is awaited, even if it fails immediately. */
  private start(number: number, proposed: ProposedTrial): void {
    const ended = Promise.resolve().then(() => this.runTrial(number, proposed));
    this.running.set(
      number,
      ended.finally(() => this.running.delete(number)),
    );
  }

  private async runTrial(number: number, proposed: ProposedTrial): Promise<void> {
    const { runner, store, signal, onBegin, describe } = this.options;
    try {
      const description = describe(number, proposed);
      await onBegin(description);
      const weights = description.from === null ? null : store.readWeights(description.from);
      const signals = [this.ending.signal, ...(signal ? [signal] : [])];
      const result = await runner.run(description, { weights, signal: AbortSignal.any(signals) });
      await this.end(number, result.trial, result.weights);
      runner.settled?.(number);
    } catch (thrown) {
      // If the signal or another trial's error stopped it, the trial did not fail.
      if (!(thrown instanceof AbortedError && (signal?.aborted || this.error))) this.fail(thrown);
    }
  }

  private async end(number: number, trial: Trial, weights: Uint8Array | null): Promise<void> {
    const { store, proposer, onEnd } = this.options;
    store.writeTrial({ trial, weights });
    proposer.finished.set(number, trial);
    await onEnd(trial);
    if (trial.status === 'failed') this.countFailure(number, trial.reason);
  }

  /** Ends the loop if too many trials with consecutive numbers failed. */
  private countFailure(number: number, reason: string | undefined): void {
    const { who, maxConsecutiveFailures } = this.options;
    this.failed.set(number, reason);
    let [first, last] = [number, number];
    while (this.failed.has(first - 1)) first--;
    while (this.failed.has(last + 1)) last++;
    const count = last - first + 1;
    if (count < maxConsecutiveFailures) return;
    const trialsText = count === 1 ? `trial ${first}` : `${count} trials in a row, ${first} to ${last},`;
    const error = new SearchError(
      `${who}: ${trialsText} failed, the last with: ${reason ?? 'no reason'}. Failed trials are not repeated: fix the cause and start a new search, in ` +
        'another directory (`tilegrad search`: without --resume) or with overwrite: true; or search again to continue after them, with a ' +
        'larger maxConsecutiveFailures if more may fail',
    );
    this.fail(error);
  }

  private stoppedError(): AbortedError {
    const { who, store, proposer } = this.options;
    return new AbortedError(
      `${who}: stopped on request; ${proposer.finished.size} trials are saved in ${store.folder}, from which the same search continues`,
    );
  }
}
