import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseChecksummedJson, toChecksummedJson } from '../base/checksum.ts';
import { ArgumentError, DataError, FileError } from '../base/errors.ts';
import { readRegular } from '../base/regular-file.ts';
import { writeRunFiles } from '../report/run-folder.ts';

const resultFile = z.strictObject({
  kind: z.literal('tilegrad-part'),
  schemaVersion: z.literal(1),
  name: z.string(),
  hash: z.string(),
  /** Seconds that the computation took. */
  seconds: z.number(),
  value: z.unknown(),
  /** Checksum of the file; older files have none. Other fields are not allowed, so damage to this name is noticed. */
  crc32c: z.string().optional(),
});

export interface CachedResult<T> {
  value: T;
  seconds: number;
}

/**
 * Saved results of a run in `parts/`, one file for each training or other computation. The file name contains a hash of everything that
 * decides the result, so that a result from other settings is never used.
 */
export class ResultCache {
  private readonly folder: string;
  private readonly hashes = new Map<string, string>();

  constructor(runFolder: string) {
    this.folder = join(runFolder, 'parts');
  }

  /** @throws ArgumentError for a name that is not a valid file name, or that another computation of this run has */
  check(name: string, hash: string): void {
    if (!/^[a-z0-9][a-z0-9.-]{0,60}$/.test(name)) {
      throw new ArgumentError(`"${name}" cannot name a result: use lowercase letters, digits, hyphens and dots`);
    }
    const earlier = this.hashes.get(name);
    if (earlier !== undefined && earlier !== hash) {
      throw new ArgumentError(
        `two different computations of this run are called ${name}; give them different names, or make them equal`,
      );
    }
    this.hashes.set(name, hash);
  }

  private path(name: string, hash: string): string {
    return join(this.folder, `${name}-${hash}.json`);
  }

  /** Whether there is a result of that name with another hash. */
  hasOther(name: string, hash: string): boolean {
    if (!existsSync(this.folder)) return false;
    const other = new RegExp(`^${name.replaceAll('.', '\\.')}-[0-9a-f]{16}\\.json$`);
    return readdirSync(this.folder).some((file) => other.test(file) && file !== `${name}-${hash}.json`);
  }

  /**
   * Returns a saved result; null if there is none.
   * @throws DataError for a file that is cut short, damaged, of another version or not the result that its name says; FileError
   */
  read<T>(name: string, hash: string, schema: z.ZodType<T>): CachedResult<T> | null {
    const path = this.path(name, hash);
    if (!existsSync(path)) return null;
    const advice = 'Delete it, and the run computes this result again.';
    let text: string;
    try {
      text = readRegular(path).toString();
    } catch (cause) {
      if (cause instanceof FileError) throw cause;
      throw new FileError(`cannot read ${path}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
    }
    const json = parseChecksummedJson(text, path, advice);
    const file = resultFile.safeParse(json);
    if (!file.success || file.data.name !== name || file.data.hash !== hash) {
      throw new DataError(`${path} does not hold the result ${name} (${hash}). ${advice}`);
    }
    const value = schema.safeParse(file.data.value);
    if (!value.success) {
      const { path: field, message } = value.error.issues[0]!;
      throw new DataError(`${path} does not hold a result of its kind: ${field.join('.')}: ${message}. ${advice}`);
    }
    return { value: value.data, seconds: file.data.seconds };
  }

  /** Writes a result, completely or not at all. @throws FileError */
  write(name: string, hash: string, { value, seconds }: CachedResult<unknown>): void {
    const file = { kind: 'tilegrad-part', schemaVersion: 1, name, hash, seconds, value };
    writeRunFiles(this.folder, [[`${name}-${hash}.json`, toChecksummedJson(file)]]);
  }
}
