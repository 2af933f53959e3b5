import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { takeShortLock } from '../../scripts/setup/lock.mjs';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { createFolders } from '../base/create-folders.ts';
import { FileError, TilegradError } from '../base/errors.ts';
import { parseJson } from '../base/json.ts';
import { readRegular } from '../base/regular-file.ts';
import type { AdapterInfo } from '../gpu/info.ts';
import { tunables } from '../kernels/tunables.ts';
import type { Tuned } from './session.ts';

/** What measurements are valid for: another adapter, driver or version of tilegrad needs new ones. */
const identitySchema = z.object({
  name: z.string(),
  vendor: z.string(),
  architecture: z.string(),
  driver: z.string(),
  tilegrad: z.string(),
});
export type TuningIdentity = z.infer<typeof identitySchema>;

const entrySchema = z.object({
  operator: z.string(),
  variant: z.string(),
  /** Hash of the operator's variants and shaders at the time of the measurement. */
  shaders: z.string(),
  ms: z.record(z.string(), z.number()),
  rejected: z.array(z.object({ variant: z.string(), reason: z.string() })),
  measuredAt: z.string(),
});

/** A cache file: the measurements on one adapter, by `choiceKey`. */
const fileSchema = z.object({
  schemaVersion: z.literal(1),
  identity: identitySchema,
  entries: z.record(z.string(), entrySchema),
});
type TuningFile = z.infer<typeof fileSchema>;

const hashOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

/** Hash of variants and shaders by operator. */
function shaderHashes(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tunables).map(([operator, { variants, shaders }]) => [operator, hashOf([variants, shaders])]),
  );
}

export function identityOf(info: AdapterInfo, tilegrad: string): TuningIdentity {
  const { name, vendor, architecture, driver } = info;
  return { name, vendor, architecture, driver, tilegrad };
}

/**
 * The tuner's cache for one adapter, a JSON file. A file that is missing, damaged or from another adapter counts as empty;
 * that is no error.
 */
export class TuningCache {
  readonly path: string;
  private file: TuningFile;

  /**
   * @param folder folder of the cache files; it need not exist
   * @param warn called with one sentence if the file is unusable
   * @param shaders hash of the kernels by operator, for tests; default that of the current kernels
   */
  constructor(
    folder: string,
    private readonly identity: TuningIdentity,
    warn: (message: string) => void,
    private readonly shaders: Readonly<Record<string, string>> = shaderHashes(),
  ) {
    this.path = join(folder, `tuning-${hashOf(identity)}.json`);
    this.file = this.read(warn);
  }

  private read(warn: (message: string) => void): TuningFile {
    const { identity } = this;
    const empty: TuningFile = { schemaVersion: 1, identity, entries: {} };
    try {
      const file = fileSchema.parse(parseJson(readRegular(this.path).toString()));
      if (hashOf(file.identity) !== hashOf(identity)) throw new Error('it is of another adapter');
      return file;
    } catch (error) {
      const code = error instanceof TilegradError ? undefined : (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR') return empty;
      if (code !== undefined) {
        warn(`the tuner's cache ${this.path} cannot be read (${code}); set TILEGRAD_CACHE to a folder that can be`);
        return empty;
      }
      const why = error instanceof z.ZodError ? 'it does not look like one' : (error as Error).message.split('\n')[0];
      warn(`the tuner's cache ${this.path} is ignored: ${why}. \`npx tilegrad tune\` replaces it.`);
      return empty;
    }
  }

  /** The fastest variant for each `choiceKey`, except for operators whose kernels have changed since the measurement. */
  choices(): Map<string, string> {
    const valid = Object.entries(this.file.entries).filter(
      ([, { operator, shaders }]) => shaders === this.shaders[operator],
    );
    return new Map(valid.map(([key, { variant }]) => [key, variant]));
  }

  /**
   * Reads the file again, as another process may have changed it, adds the measurements and writes it.
   * @throws FileError
   */
  save(tuned: readonly Tuned[], now = new Date()): void {
    try {
      createFolders(dirname(this.path));
      const lock = takeShortLock(`${this.path}.lock`);
      try {
        this.file = this.read(() => {});
        this.add(tuned, now);
        writeFileAtomic(this.path, `${JSON.stringify(this.file, null, 2)}\n`);
      } finally {
        lock.release();
      }
    } catch (cause) {
      throw new FileError(
        `the tuner's cache ${this.path} cannot be written: ${(cause as Error).message}; set TILEGRAD_CACHE to a folder that can be`,
        { cause },
      );
    }
  }

  private add(tuned: readonly Tuned[], now: Date): void {
    const { entries } = this.file;
    for (const [key, { operator, shaders }] of Object.entries(entries)) {
      if (shaders !== this.shaders[operator]) delete entries[key];
    }
    for (const { key, operator, variant, ms, rejected } of tuned) {
      const shaders = this.shaders[operator]!;
      entries[key] = { operator, variant, shaders, ms, rejected, measuredAt: now.toISOString() };
    }
  }
}

/** Hash of a kernel selection: variants by operator and sizes. Their order does not matter. */
export const choicesHash = (choices: Iterable<readonly [key: string, variant: string]>): string =>
  hashOf([...choices].sort());
