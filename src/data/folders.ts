import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The folder of the tilegrad package that contains `from`; null if there is none. This file is in `src/data` in a checkout but in `dist`
 * after bundling, so all parent folders are searched for tilegrad's package.json.
 */
export function packageRoot(from: string = fileURLToPath(import.meta.url)): string | null {
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'tilegrad') return folder;
    if (dirname(folder) === folder) return null;
  }
}

/** The folder of the bundled samples, or null outside the tilegrad package. */
export function sampleDir(): string | null {
  const root = packageRoot();
  return root && join(root, 'data', 'sample');
}
