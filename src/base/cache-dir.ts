import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { ArgumentError, FileError } from './errors.ts';

/**
 * tilegrad's cache folder (not created): `TILEGRAD_CACHE` if it is set, else `XDG_CACHE_HOME/tilegrad` if that is set and absolute,
 * else `%LOCALAPPDATA%\tilegrad` on Windows, `~/Library/Caches/tilegrad` on macOS, `~/.cache/tilegrad` elsewhere. An empty variable
 * counts as not set.
 * @throws ArgumentError if `TILEGRAD_CACHE` is not an absolute path; FileError if this user has no home folder, as in some containers
 */
export function cacheDir(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  home: () => string = homedir,
): string {
  if (env.TILEGRAD_CACHE) {
    if (isAbsolute(env.TILEGRAD_CACHE)) return env.TILEGRAD_CACHE;
    throw new ArgumentError(
      `TILEGRAD_CACHE is "${env.TILEGRAD_CACHE}", not an absolute path; set it to one, or unset it`,
    );
  }
  // The XDG specification says that a relative path is invalid and must be ignored.
  if (env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME)) return join(env.XDG_CACHE_HOME, 'tilegrad');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(homeFolder(home), 'AppData', 'Local'), 'tilegrad');
  if (platform === 'darwin') return join(homeFolder(home), 'Library', 'Caches', 'tilegrad');
  return join(homeFolder(home), '.cache', 'tilegrad');
}

function homeFolder(home: () => string): string {
  const advice = 'set TILEGRAD_CACHE to the absolute path of a folder';
  let folder: string;
  try {
    folder = home();
  } catch (cause) {
    throw new FileError(
      `there is no cache folder: HOME is not set, and the system knows no home folder of this user; ${advice}`,
      { cause },
    );
  }
  if (isAbsolute(folder)) return folder;
  throw new FileError(`there is no cache folder: the home folder is "${folder}", not an absolute path; ${advice}`);
}

/**
 * The cache folder for callers that only read it; null if there is none, which is no error for them.
 * @param note called with the reason if there is none
 * @throws ArgumentError as `cacheDir`
 */
export function findCacheDir(note: (message: string) => void, find: () => string = cacheDir): string | null {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    note(error.message);
    return null;
  }
}
