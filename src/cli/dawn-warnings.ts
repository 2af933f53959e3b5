import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, findCacheDir } from '../base/cache-dir.ts';
import { createFolders } from '../base/create-folders.ts';
import type { AdapterInfo } from '../gpu/info.ts';
import { type Io, writeLine } from './io.ts';

/**
 * The value to which Dawn reduces the limits of dynamic buffers if the adapter has larger ones: its
 * `kMaxDynamic...BuffersPerPipelineLayout`.
 */
const DAWN_LIMIT = 16;

/**
 * Explains the two warnings that Dawn prints at each start on some adapters ("maxDynamicUniformBuffersPerPipelineLayout artificially
 * reduced ..."); null for other adapters. Dawn writes them to stderr itself, and no toggle or requested limit prevents it.
 */
export function dawnWarningsText({ limits }: Pick<AdapterInfo, 'limits'>): string | null {
  const { maxDynamicUniformBuffersPerPipelineLayout: uniform, maxDynamicStorageBuffersPerPipelineLayout: storage } =
    limits;
  if (uniform !== DAWN_LIMIT && storage !== DAWN_LIMIT) return null;
  return (
    'Dawn, which runs the kernels, warns at each start that it has reduced limits of dynamic buffers (maxDynamic...). ' +
    'tilegrad uses no dynamic buffers, so the warnings have no effect'
  );
}

/** Explains the warnings on stderr, once for each cache folder. */
export function explainDawnWarnings(info: Pick<AdapterInfo, 'limits'>, io: Io): void {
  const text = dawnWarningsText(info);
  if (text === null) return;
  const cache = findCacheDir(
    () => {},
    () => cacheDir(io.env),
  );
  if (cache !== null && !isFirst(cache)) return;
  writeLine(io.stderr, `Note: ${text}. This note comes once.`);
}

function isFirst(cache: string): boolean {
  try {
    createFolders(cache);
    writeFileSync(join(cache, 'dawn-warnings-explained'), '', { flag: 'wx' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EEXIST'; // if the file cannot be written, the warnings are explained again
  }
}
