import { AbortedError } from '../base/errors.ts';
import { groupWorks, type PreparedTrial, runTogether } from './run-together.ts';
import { runTrial, type TrialWork } from './run-trial.ts';
import type { SearchStore } from './store.ts';
import type { TrialDescription, TrialResult, TrialRunner, TrialRunOptions } from './trial.ts';

/** A trial that waits to be run. */
interface Waiting {
  work: TrialWork;
  resolve(result: TrialResult): void;
  reject(error: unknown): void;
}

/**
 * Runs trials in this process, those that wait at the same time and differ in numbers alone in the same dispatches. A trial's result does
 * not depend on which others it was trained with.
 */
export class TogetherRunner implements TrialRunner {
  private waiting: Waiting[] = [];
  private isRunning = false;
  /** Trials of the group that was trained last whose results are not on the disk yet. */
  private unsettled = new Set<number>();

  /** @param concurrency trials that are trained together, at most */
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
      await turn(); // trials that are begun as those before them end are there then
      const batch = this.waiting.splice(0);
      if (batch.length === 0) break;
      for (const { group, trials } of this.groupsOf(batch)) await this.runGroup(group, trials);
    }
    this.isRunning = false;
  }

  /** Those that a killed process has left a backup of stay together: they go on from there. */
  private groupsOf(batch: readonly Waiting[]): { group: Waiting[]; trials: readonly PreparedTrial[] | null }[] {
    const left = this.store.groupOfBackup() ?? [];
    const [before, others] = [true, false].map((is) =>
      batch.filter(({ work }) => left.includes(work.description.number) === is),
    );
    const kept = before!.length === left.length ? [before!, others!] : [batch];
    return kept.flatMap((some) => {
      const works = some.map(({ work }) => work);
      const groups = groupWorks(works, Math.max(left.length, this.concurrency));
      return groups.map(({ places, trials }) => ({ group: places.map((i) => some[i]!), trials }));
    });
  }

  private async runGroup(group: readonly Waiting[], trials: readonly PreparedTrial[] | null): Promise<void> {
    const numbers = group.map(({ work }) => work.description.number);
    try {
      if (group[0]!.work.signal?.aborted) throw new AbortedError(`trial ${numbers[0]}: stopped on request`);
      const backup = this.store.groupBackupPath(numbers);
      this.store.deleteGroupBackups(backup); // of trials that have ended, or are others together
      this.unsettled = new Set(numbers);
      const results = trials ? await runTogether(trials, backup) : [];
      for (const [i, { work, resolve }] of group.entries()) {
        resolve(results[i] ?? (await runTrial({ ...work, backup: this.store.backupPath(numbers[i]!) })));
      }
    } catch (error) {
      for (const { reject } of group) reject(error); // those that have their result are not concerned
    }
  }
}

/** What waits for promises that are resolved runs before it ends. */
const turn = () => new Promise((resolve) => setImmediate(resolve));
