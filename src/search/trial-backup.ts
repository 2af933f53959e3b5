import { BackupAndRestore } from '../io/backup.ts';
import type { SafePoint, TrainInfo } from '../training/index.ts';

/**
 * The backup that a trial resumes from if its process was killed. It is not deleted at the end of training, but after the result is on the
 * disk. So a trial that was stopped early is not trained again.
 */
export class TrialBackup extends BackupAndRestore {
  /** An error of the backup, which is not one of the trial. */
  failure: unknown = null;

  /** @param saveFreq see `BackupAndRestoreOptions` */
  constructor(path: string, saveFreq: 'epoch' | number) {
    super({ path, saveFreq, deleteCheckpoint: false });
  }

  override onTrainBegin(info: Pick<TrainInfo, 'resume'>): Promise<void> {
    return this.captureFailure(() => super.onTrainBegin(info));
  }

  override onSafePoint(point: SafePoint): Promise<void> {
    return this.captureFailure(() => super.onSafePoint(point));
  }

  private async captureFailure(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}
