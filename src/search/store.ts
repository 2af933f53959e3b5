import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { tryLock } from '../../scripts/setup/lock.mjs';
import { parseChecksummedJson, toChecksummedJson } from '../base/checksum.ts';
import { createFolders } from '../base/create-folders.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { readBytes, withFileErrors, writeFile } from '../io/files.ts';
import { type SearchRecord, searchRecord, trial } from './record.ts';
import type { TrialResult } from './trial.ts';

const padFour = (number: number) => String(number).padStart(4, '0');
/** Names of files in the folders of trials; other files are neither read nor deleted. */
const TRIAL = /^(\d{4,})\.(json|safetensors)$/;
const GROUP = /^together-([0-9a-z]+(?:-[0-9a-z]+)*)\.safetensors$/;

/**
 * The folder of a search:
 *
 *     search.json                 the search with all its trials, for reports: a copy of the other files
 *     trials/0007.json            a trial that has ended
 *     weights/0007.safetensors    its best epoch's weights
 *     backups/0007.safetensors    of a running trial, which continues from it if its process is killed
 *     backups/together-7-8-c.safetensors   of trials that are trained together, their numbers in base 36
 *
 * Every file is written completely or not at all, with a checksum. A trial's weights are on the disk before its result.
 */
export class SearchStore {
  constructor(readonly folder: string) {}

  private get recordPath(): string {
    return join(this.folder, 'search.json');
  }

  weightsPath(number: number): string {
    return join(this.folder, 'weights', `${padFour(number)}.safetensors`);
  }

  backupPath(number: number): string {
    return join(this.folder, 'backups', `${padFour(number)}.safetensors`);
  }

  /** Path of the backup of trials that are trained together. */
  groupBackupPath(numbers: readonly number[]): string {
    return join(
      this.folder,
      'backups',
      `together-${numbers.map((number) => number.toString(36)).join('-')}.safetensors`,
    );
  }

  /** Returns the numbers of the trials whose common backup exists; null if there is none. @throws FileError */
  groupOfBackup(): number[] | null {
    const [name] = this.listGroupBackups();
    return name
      ? GROUP.exec(name)![1]!
          .split('-')
          .map((digits) => Number.parseInt(digits, 36))
      : null;
  }

  /**
   * Returns the search in the folder with its trials; null if there is none.
   * @throws DataError for a file that is cut short, damaged or of another version, or trials without a search; FileError
   */
  read(): SearchRecord | null {
    const numbers = this.listNumbers('trials', 'json');
    if (!existsSync(this.recordPath)) {
      if (numbers.length === 0) return null;
      throw new DataError(
        `${this.folder} has trials but no search.json, which names the search; start a new one: in another directory ` +
          '(`tilegrad search`: without --resume), or with overwrite: true',
      );
    }
    const record = readJson(this.recordPath, searchRecord, 'a search');
    const trials = numbers.map((number) => {
      const path = join(this.folder, 'trials', `${padFour(number)}.json`);
      const found = readJson(path, trial, 'a trial', 'Delete it, and the search does this trial again');
      if (found.number === number) return found;
      throw new DataError(`${path} holds trial ${found.number}. Delete it, and the search does trial ${number} again`);
    });
    return { ...record, trials };
  }

  /** @throws FileError */
  writeRecord(record: SearchRecord): void {
    writeFile(this.recordPath, toChecksummedJson(record));
  }

  /** Saves a trial that has ended. @throws FileError */
  writeTrial({ trial, weights }: TrialResult): void {
    if (weights) writeFile(this.weightsPath(trial.number), weights);
    writeFile(join(this.folder, 'trials', `${padFour(trial.number)}.json`), toChecksummedJson(trial));
  }

  /** Returns the saved weights of a trial. @throws FileError */
  readWeights(number: number): Uint8Array {
    return readBytes(this.weightsPath(number));
  }

  /** Deletes the backup of a trial that has ended. @throws FileError */
  deleteBackup(number: number): void {
    const path = this.backupPath(number);
    withFileErrors('delete', path, () => rmSync(path, { force: true }));
  }

  /** Deletes the backups of all trials that have ended. @throws FileError */
  deleteBackups(ended: { has(number: number): boolean }): void {
    for (const number of this.listNumbers('backups', 'safetensors')) if (ended.has(number)) this.deleteBackup(number);
  }

  /** Deletes the backups of trials that were trained together, except one. @throws FileError */
  deleteGroupBackups(kept: string | null = null): void {
    for (const name of this.listGroupBackups()) {
      const path = join(this.folder, 'backups', name);
      if (path !== kept) withFileErrors('delete', path, () => rmSync(path, { force: true }));
    }
  }

  /** Deletes the files of a search, and no others in its folder. @throws FileError */
  clear(): void {
    for (const [folder, ending] of [
      ['backups', 'safetensors'],
      ['weights', 'safetensors'],
      ['trials', 'json'],
    ] as const) {
      for (const number of this.listNumbers(folder, ending)) {
        const path = join(this.folder, folder, `${padFour(number)}.${ending}`);
        withFileErrors('delete', path, () => rmSync(path, { force: true }));
      }
    }
    this.deleteGroupBackups();
    withFileErrors('delete', this.recordPath, () => rmSync(this.recordPath, { force: true }));
  }

  /** Locks the folder until the returned function is called. @throws ArgumentError while another process uses it; FileError */
  lock(): () => void {
    const path = join(this.folder, 'search.lock');
    const lock = withFileErrors('write', path, () => {
      createFolders(this.folder);
      return tryLock(path);
    });
    if (lock.holder === null) return lock.release;
    throw new ArgumentError(
      `${this.folder}: ${lock.holder} is still running this search. Wait until it ends, or stop it; if it has ended or is not tilegrad, ` +
        `delete ${path}`,
    );
  }

  private listGroupBackups(): string[] {
    const path = join(this.folder, 'backups');
    if (!existsSync(path)) return [];
    return withFileErrors('read', path, () => readdirSync(path)).filter((name) => GROUP.test(name));
  }

  private listNumbers(folder: string, ending: string): number[] {
    const path = join(this.folder, folder);
    if (!existsSync(path)) return [];
    return withFileErrors('read', path, () => readdirSync(path))
      .flatMap((name) => {
        const [, digits, found] = TRIAL.exec(name) ?? [];
        return found === ending ? [Number(digits)] : [];
      })
      .sort((a, b) => a - b);
  }
}

/** Reads a JSON file of a search. @throws DataError, FileError */
function readJson<T>(
  path: string,
  schema: z.ZodType<T>,
  content: string,
  advice = 'Start again with overwrite: true',
): T {
  const json = parseChecksummedJson(Buffer.from(readBytes(path)).toString(), path, advice);
  const { crc32c: _, ...rest } = json as Record<string, unknown>;
  const read = schema.safeParse(rest);
  if (read.success) return read.data;
  const { path: field, message } = read.error.issues[0]!;
  throw new DataError(`${path} does not hold ${content}: ${field.join('.')}: ${message}. ${advice}`);
}
