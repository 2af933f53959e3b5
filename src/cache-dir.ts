import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * tilegrad's cache folder (not created): `TILEGRAD_CACHE` when that is set and absolute, else `XDG_CACHE_HOME/tilegrad` likewise, else
 * `%LOCALAPPDATA%\tilegrad` on Windows, `~/Library/Caches/tilegrad` on macOS, `~/.cache/tilegrad` elsewhere.
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  if (env.TILEGRAD_CACHE && isAbsolute(env.TILEGRAD_CACHE)) return env.TILEGRAD_CACHE;
  // The XDG specification says that a relative path is invalid and must be ignored.
  if (env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME)) return join(env.XDG_CACHE_HOME, 'tilegrad');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'tilegrad');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'tilegrad');
  return join(homedir(), '.cache', 'tilegrad');
}
