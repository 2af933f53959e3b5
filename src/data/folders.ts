import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The folder of the tilegrad package that `from` belongs to: this file lies in `src/data` in a checkout but in `dist`
 * once bundled, so the way up is searched for tilegrad's own package.json. Null when there is none.
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
