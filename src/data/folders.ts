import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * tilegrad's cache folder (not created): `XDG_CACHE_HOME/tilegrad` when that is set and absolute, else
 * `%LOCALAPPDATA%\tilegrad` on Windows, `~/Library/Caches/tilegrad` on macOS, `~/.cache/tilegrad` elsewhere.
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  // The XDG specification says that a relative path is invalid and must be ignored.
  if (env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME)) return join(env.XDG_CACHE_HOME, 'tilegrad');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'tilegrad');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'tilegrad');
  return join(homedir(), '.cache', 'tilegrad');
}

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
