import { BackupAndRestore } from '../io/backup.ts';
import type { SafePoint, TrainInfo } from '../training/index.ts';

/**
 * The backup that a trial goes on from where its process was killed. It stays when training has come to its end: only where the
 * result is on the disk too is there nothing left to go on with, and a trial that was stopped early is not begun again.
 */
export class TrialBackup extends BackupAndRestore {
  /** What went wrong with the file, which says nothing about the trial. */
  failure: unknown = null;

  /** @param saveFreq see `BackupAndRestoreOptions` */
  constructor(path: string, saveFreq: 'epoch' | number) {
    super({ path, saveFreq, deleteCheckpoint: false });
  }

  override onTrainBegin(info: Pick<TrainInfo, 'resume'>): Promise<void> {
    return this.watch(() => super.onTrainBegin(info));
  }

  override onSafePoint(point: SafePoint): Promise<void> {
    return this.watch(() => super.onSafePoint(point));
  }

  private async watch(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}
