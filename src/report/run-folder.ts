import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { writeFileAtomic, writeFilesAtomic } from '../base/atomic-file.ts';
import { createFolders } from '../base/create-folders.ts';
import { FileError } from '../base/errors.ts';

const reasons: Record<string, string> = {
  ENOENT: 'the system does not allow a folder there',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ENAMETOOLONG: 'the name is too long',
};

/** Returns a FileError with the system's reason in words. */
export function toFileError(
  action: string,
  path: string,
  cause: unknown,
  advice = 'Choose another folder with --out.',
): FileError {
  if (cause instanceof FileError) return cause; // has the reason already
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  return new FileError(`${action} ${path}: ${reasons[code] || code || cause}. ${advice}`, {
    cause,
  });
}

/**
 * Checks that `folder` can be created or written. It creates nothing: it checks the nearest existing folder of the path, so that a
 * wrong `--out` is reported before minutes of training.
 * @throws FileError
 */
export function checkWritable(folder: string): void {
  let existing = resolve(folder);
  try {
    while (!existsSync(existing)) {
      const parent = dirname(existing);
      if (parent === existing) break;
      existing = parent;
    }
    if (!statSync(existing).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw toFileError('cannot write to', folder, cause);
  }
}

/** Returns local time as `20261120-093005`, which sorts by name and is valid on every file system. */
export function timeStamp(time: Date): string {
  const padTwo = (value: number) => String(value).padStart(2, '0');
  const date = `${time.getFullYear()}${padTwo(time.getMonth() + 1)}${padTwo(time.getDate())}`;
  return `${date}-${padTwo(time.getHours())}${padTwo(time.getMinutes())}${padTwo(time.getSeconds())}`;
}

/**
 * Creates `<out>/<time>-<id>` and returns its path. If the folder exists, `-2`, `-3`, ... is appended. Only mkdir decides, so two
 * processes that start in the same second never share a folder.
 */
export function createRunFolder(out: string, id: string, time: Date): string {
  try {
    createFolders(resolve(out));
    for (let attempt = 1; ; attempt++) {
      const folder = join(out, `${timeStamp(time)}-${id}${attempt === 1 ? '' : `-${attempt}`}`);
      try {
        mkdirSync(folder);
        return folder;
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
      }
    }
  } catch (cause) {
    throw toFileError('cannot create a folder in', out, cause);
  }
}

/** Writes a file as `writeFileAtomic` does. @throws FileError with the reason in words */
export function writeRunFile(path: string, content: string | Uint8Array): void {
  try {
    writeFileAtomic(path, content);
  } catch (cause) {
    throw toFileError('cannot write', path, cause);
  }
}

/** Writes files of a folder, all or none, and creates their folders: see `writeFilesAtomic`. @throws FileError with the reason in words */
export function writeRunFiles(
  folder: string,
  files: readonly (readonly [name: string, content: string | Uint8Array])[],
): void {
  const paths = files.map(([name, content]) => [join(folder, name), content] as const);
  try {
    for (const [path] of paths) createFolders(dirname(resolve(path)));
    writeFilesAtomic(paths);
  } catch (cause) {
    throw toFileError('cannot write to', folder, cause, 'What was there before is unchanged.');
  }
}
