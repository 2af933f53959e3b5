import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseChecksummedJson, toChecksummedJson } from '../base/checksum.ts';
import { ArgumentError, DataError, FileError } from '../base/errors.ts';
import { readRegular } from '../base/regular-file.ts';
import { writeAllAtomically } from '../report/run-folder.ts';

const resultFile = z.strictObject({
  kind: z.literal('tilegrad-part'),
  schemaVersion: z.literal(1),
  name: z.string(),
  hash: z.string(),
  /** What it took. */
  seconds: z.number(),
  value: z.unknown(),
  /** Of the file; older ones have none. As no other field is allowed, damage to its name does not make it one of them. */
  crc32c: z.string().optional(),
});

export interface CachedResult<T> {
  value: T;
  seconds: number;
}

/**
 * Finished parts of a run, a file each in `parts/`: a training, or another computation. A file is named after the part and the
 * hash of what decides its result, so that what was computed under other settings is never taken for it.
 */
export class ResultCache {
  private readonly folder: string;
  private readonly hashes = new Map<string, string>();

  constructor(runFolder: string) {
    this.folder = join(runFolder, 'parts');
  }

  /** @throws ArgumentError for a name that cannot be one of a file, or was used for another computation */
  check(name: string, hash: string): void {
    if (!/^[a-z0-9][a-z0-9.-]{0,60}$/.test(name)) {
      throw new ArgumentError(`"${name}" cannot name a part: use small letters, digits, hyphens and dots`);
    }
    const earlier = this.hashes.get(name);
    if (earlier !== undefined && earlier !== hash) {
      throw new ArgumentError(
        `two different computations of this run are called ${name}: give each a name of its own, or make them the same`,
      );
    }
    this.hashes.set(name, hash);
  }

  private path(name: string, hash: string): string {
    return join(this.folder, `${name}-${hash}.json`);
  }

  /** Whether there is a part of that name, but of another hash. */
  hasOther(name: string, hash: string): boolean {
    if (!existsSync(this.folder)) return false;
    const other = new RegExp(`^${name.replaceAll('.', '\\.')}-[0-9a-f]{16}\\.json$`);
    return readdirSync(this.folder).some((file) => other.test(file) && file !== `${name}-${hash}.json`);
  }

  /**
   * What was kept; null where there is nothing.
   * @throws DataError for a file that is cut short, damaged, of another version or not what its name says; FileError
   */
  read<T>(name: string, hash: string, schema: z.ZodType<T>): CachedResult<T> | null {
    const path = this.path(name, hash);
    if (!existsSync(path)) return null;
    const advice = `Delete it, and the run does this part again.`;
    let text: string;
    try {
      text = readRegular(path).toString();
    } catch (cause) {
      if (cause instanceof FileError) throw cause;
      throw new FileError(`cannot read ${path}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
    }
    const json = parseChecksummedJson(text, path, advice);
    const whole = resultFile.safeParse(json);
    if (!whole.success || whole.data.name !== name || whole.data.hash !== hash) {
      throw new DataError(`${path} does not hold the part ${name} (${hash}). ${advice}`);
    }
    const value = schema.safeParse(whole.data.value);
    if (!value.success) {
      const { path: where, message } = value.error.issues[0]!;
      throw new DataError(
        `${path} does not hold what a part of its kind does: ${where.join('.')}: ${message}. ${advice}`,
      );
    }
    return { value: value.data, seconds: whole.data.seconds };
  }

  /** Keeps a part: whole or not at all. @throws FileError */
  write(name: string, hash: string, { value, seconds }: CachedResult<unknown>): void {
    const file = { kind: 'tilegrad-part', schemaVersion: 1, name, hash, seconds, value };
    writeAllAtomically(this.folder, [[`${name}-${hash}.json`, toChecksummedJson(file)]]);
  }
}
