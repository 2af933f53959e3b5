import { runTrial, type TrialWork } from './run-trial.ts';
import type { SearchStore } from './store.ts';
import type { TrialDescription, TrialResult, TrialRunner, TrialRunOptions } from './trial.ts';

/** Runs trials in this process, one after another. */
export class LocalRunner implements TrialRunner {
  readonly concurrency = 1;

  constructor(
    private readonly store: SearchStore,
    private readonly work: Omit<TrialWork, 'description' | 'weights' | 'backup' | 'signal'>,
  ) {}

  run(description: TrialDescription, { weights, signal }: TrialRunOptions): Promise<TrialResult> {
    const backup = this.store.backupPath(description.number);
    return runTrial({ ...this.work, description, weights, backup, signal });
  }

  settled(number: number): void {
    this.store.deleteBackup(number);
  }
}
