import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { removeTemporaryFiles } from '../base/atomic-file.ts';
import { checkFlag, checkOptions, formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Callback, History, SafePoint, TrainInfo } from '../training/index.ts';
import { decodeBackup, encodeBackup } from './backup-file.ts';
import { onFile, readBytes, writeFile } from './files.ts';

/** Options of `BackupAndRestore`. */
export interface BackupAndRestoreOptions {
  /** The file. Each training needs one of its own. */
  path: string;
  /** After every epoch, or after every so many steps. Default `epoch`. */
  saveFreq?: 'epoch' | number;
  /** Whether the file goes when `fit` has come to its end. Default true. */
  deleteCheckpoint?: boolean;
}

/**
 * Lets a training that was interrupted go on, as Keras's callback of this name: run the program again, and `fit` continues where
 * the file left off, with the same bits (weights, optimiser, logs) as if it had never stopped, on the same adapter and with the
 * same choice of kernels (`device.choices`). Kept are the weights, the optimiser's state and rate, the place within the epoch and
 * what was counted in it, the logs so far, and what other callbacks remember; shuffles and dropout follow from `seed` and that
 * place. A `fit` that is ended by its `signal` leaves a backup too.
 *
 * `fit` must be called with what it was called with before, but for `epochs`, options of callbacks, and callbacks that remember
 * nothing. Of a stream the batches that were trained on are taken and dropped: a function is called for the epoch under way only,
 * and must give the same batches. The file is replaced whole, so that the last one stays until the next is on the disk, also where
 * the disk is full.
 */
export class BackupAndRestore implements Callback {
  /** Where this `fit` went on; null where it began from the start. */
  resumedFrom: {
    /** The epoch that was under way, from 1. */
    epoch: number;
    /** How many of its steps were done. */
    step: number;
  } | null = null;
  private readonly path: string;
  private readonly saveFreq: 'epoch' | number;
  private readonly deleteCheckpoint: boolean;
  private steps = 0;

  /** @throws ArgumentError */
  constructor(options: BackupAndRestoreOptions, ...surplus: never[]) {
    checkOptions('BackupAndRestore', options, { path: true, saveFreq: true, deleteCheckpoint: true }, surplus);
    const { path, saveFreq = 'epoch', deleteCheckpoint = true } = options;
    if (typeof path !== 'string' || path === '') {
      throw new ArgumentError(`BackupAndRestore: path must be that of a file, but is ${formatValue(path)}`);
    }
    if (saveFreq !== 'epoch' && !(Number.isInteger(saveFreq) && saveFreq > 0)) {
      throw new ArgumentError(
        `BackupAndRestore: saveFreq must be 'epoch' or a positive number of steps, but is ${formatValue(saveFreq)}`,
      );
    }
    this.path = path;
    this.saveFreq = saveFreq;
    this.deleteCheckpoint = checkFlag('BackupAndRestore', 'deleteCheckpoint', deleteCheckpoint);
  }

  /** Removes what a process killed in the midst of writing left. @throws FileError; DataError for a damaged file; ArgumentError for that of another training */
  async onTrainBegin({ resume }: Pick<TrainInfo, 'resume'>): Promise<void> {
    this.steps = 0;
    this.resumedFrom = null;
    removeTemporaryFiles(dirname(this.path));
    if (!existsSync(this.path)) return;
    const state = decodeBackup(readBytes(this.path), this.path);
    await resume(state, this.path);
    const { epoch, step } = state.position;
    this.resumedFrom = { epoch, step };
  }

  /** @throws FileError */
  async onSafePoint({ after, capture }: SafePoint): Promise<void> {
    if (after === 'step') this.steps++;
    const due = this.saveFreq === 'epoch' ? after === 'epoch' : after === 'step' && this.steps % this.saveFreq === 0;
    if (due || after === 'interruption') writeFile(this.path, encodeBackup(await capture()));
  }

  /** The file stays for a training that was interrupted or failed. @throws FileError */
  onTrainEnd(
    { interrupted }: Pick<History, 'interrupted'>,
    failure: {
      /** What `fit` is about to throw. */
      error: unknown;
    } | null,
  ): void {
    if (interrupted || failure || !this.deleteCheckpoint) return;
    onFile('delete', this.path, () => rmSync(this.path, { force: true }));
  }
}
