import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { removeTemporaryFiles } from '../base/atomic-file.ts';
import { checkFlag, checkOptions, formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Callback, History, SafePoint, TrainInfo } from '../training/index.ts';
import { decodeBackup, encodeBackup } from './backup-file.ts';
import { readBytes, withFileErrors, writeFile } from './files.ts';

/** Options of `BackupAndRestore`. */
export interface BackupAndRestoreOptions {
  /** Path of the file. Each training needs its own. */
  path: string;
  /** When to save: after every epoch, or every n steps. Default: `epoch`. */
  saveFreq?: 'epoch' | number;
  /** Whether to delete the file when `fit` has finished. Default: true. */
  deleteCheckpoint?: boolean;
}

/**
 * Resumes an interrupted training, as Keras's callback of the same name. Run the program again: `fit` continues where the file was
 * saved, with the same bits (weights, optimizer, logs) as without the interruption, on the same adapter and with the same kernels
 * (`device.choices`). The file holds the weights, the optimizer's state and rate, the position within the epoch and its totals, the
 * logs so far, and the state of other callbacks. Shuffles and dropout follow from `seed` and the position. A `fit` that its `signal`
 * stops also leaves a backup.
 *
 * Call `fit` with the same arguments as before, except `epochs`, options of callbacks, and callbacks without state. A stream is read
 * again and the batches that were trained on are skipped: a function is called only for the current epoch, and must return the same
 * batches. The file is replaced atomically, so the last backup stays until the next is on the disk, even if the disk is full.
 */
export class BackupAndRestore implements Callback {
  /** Position from which this `fit` resumed; null if it started from the beginning. */
  resumedFrom: {
    /** The interrupted epoch, from 1. */
    epoch: number;
    /** Number of its finished steps. */
    step: number;
  } | null = null;
  private readonly path: string;
  private readonly saveFreq: 'epoch' | number;
  private readonly deleteCheckpoint: boolean;
  private steps = 0;

  /** @throws ArgumentError for invalid options */
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

  /** Also removes temporary files of killed processes. @throws FileError; DataError for a damaged file; ArgumentError for that of another training */
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
    const isDue = this.saveFreq === 'epoch' ? after === 'epoch' : after === 'step' && this.steps % this.saveFreq === 0;
    if (isDue || after === 'interruption') writeFile(this.path, encodeBackup(await capture()));
  }

  /** Keeps the file if the training was interrupted or failed. @throws FileError */
  onTrainEnd(
    { interrupted }: Pick<History, 'interrupted'>,
    failure: {
      /** The error that `fit` is about to throw. */
      error: unknown;
    } | null,
  ): void {
    if (interrupted || failure || !this.deleteCheckpoint) return;
    withFileErrors('delete', this.path, () => rmSync(this.path, { force: true }));
  }
}
