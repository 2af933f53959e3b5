import { AbortedError } from '../base/errors.ts';
import { groupWorks, type PreparedTrial, runTogether } from './run-together.ts';
import { runTrial, type TrialWork } from './run-trial.ts';
import type { SearchStore } from './store.ts';
import type { TrialDescription, TrialResult, TrialRunner, TrialRunOptions } from './trial.ts';

/** A trial that waits to run. */
interface WaitingTrial {
  work: TrialWork;
  resolve(result: TrialResult): void;
  reject(error: unknown): void;
}

/**
 * Runs trials in this process. Trials that wait at the same time and differ only in numbers train in the same dispatches. A trial's result
 * does not depend on the trials that it is trained with.
 */
export class TogetherRunner implements TrialRunner {
  private waiting: WaitingTrial[] = [];
  private isRunning = false;
  /** Trials of the last group whose results are not on the disk yet. */
  private unsettled = new Set<number>();

  /** @param concurrency maximum number of trials that are trained together */
  constructor(
    private readonly store: SearchStore,
    private readonly work: Omit<TrialWork, 'description' | 'weights' | 'backup' | 'signal'>,
    readonly concurrency: number,
  ) {}

  run(description: TrialDescription, { weights, signal }: TrialRunOptions): Promise<TrialResult> {
    return new Promise((resolve, reject) => {
      const work = { ...this.work, description, weights, backup: null, signal };
      this.waiting.push({ work, resolve, reject });
      if (!this.isRunning) void this.runAll();
    });
  }

  settled(number: number): void {
    this.store.deleteBackup(number);
    if (this.unsettled.delete(number) && this.unsettled.size === 0) this.store.deleteGroupBackups();
  }

  private async runAll(): Promise<void> {
    this.isRunning = true;
    for (;;) {
      await finishTurn(); // by then, the search has added the trials that start when earlier ones end
      const batch = this.waiting.splice(0);
      if (batch.length === 0) break;
      for (const { group, trials } of this.groupsOf(batch)) await this.runGroup(group, trials);
    }
    this.isRunning = false;
  }

  /** Groups waiting trials. Those with a common backup of a killed process stay together and resume from it. */
  private groupsOf(
    batch: readonly WaitingTrial[],
  ): { group: WaitingTrial[]; trials: readonly PreparedTrial[] | null }[] {
    const backedUp = this.store.groupOfBackup() ?? [];
    const [resumed, others] = [true, false].map((isBackedUp) =>
      batch.filter(({ work }) => backedUp.includes(work.description.number) === isBackedUp),
    );
    const batches = resumed!.length === backedUp.length ? [resumed!, others!] : [batch];
    return batches.flatMap((waiting) => {
      const works = waiting.map(({ work }) => work);
      const groups = groupWorks(works, Math.max(backedUp.length, this.concurrency));
      return groups.map(({ indices, trials }) => ({ group: indices.map((i) => waiting[i]!), trials }));
    });
  }

  private async runGroup(group: readonly WaitingTrial[], trials: readonly PreparedTrial[] | null): Promise<void> {
    const numbers = group.map(({ work }) => work.description.number);
    try {
      if (group[0]!.work.signal?.aborted) throw new AbortedError(`trial ${numbers[0]}: stopped on request`);
      const backup = this.store.groupBackupPath(numbers);
      this.store.deleteGroupBackups(backup); // of trials that have ended or are grouped differently now
      this.unsettled = new Set(numbers);
      const results = trials ? await runTogether(trials, backup) : [];
      for (const [i, { work, resolve }] of group.entries()) {
        resolve(results[i] ?? (await runTrial({ ...work, backup: this.store.backupPath(numbers[i]!) })));
      }
    } catch (error) {
      for (const { reject } of group) reject(error); // no effect on trials that have their result
    }
  }
}

/** Waits until the callbacks of all resolved promises have run. */
const finishTurn = () => new Promise((resolve) => setImmediate(resolve));
