import { dirname, resolve } from 'node:path';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { checkText } from '../base/check.ts';
import { createFolders } from '../base/create-folders.ts';
import { FileError } from '../base/errors.ts';
import { readRegular } from '../base/regular-file.ts';

const reasons: Record<string, string> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than the system allows',
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder',
  ENAMETOOLONG: 'the name is too long',
};

/** Runs `body`. Converts errors of the system to a FileError that gives the reason in words. @throws FileError */
export function withFileErrors<T>(action: string, path: string, body: () => T): T {
  checkText(`${action}: the path`, path);
  try {
    return body();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (!code || cause instanceof FileError) throw cause;
    throw new FileError(`cannot ${action} ${path}: ${reasons[code] ?? code}`, { cause });
  }
}

/** Returns the bytes of a regular file. @throws FileError */
export const readBytes = (path: string): Uint8Array => withFileErrors('read', path, () => readRegular(path));

/** Writes a file completely or not at all (see `writeFileAtomic`), and creates its folders. @throws FileError */
export function writeFile(path: string, content: string | Uint8Array): void {
  withFileErrors('write', path, () => {
    createFolders(dirname(resolve(path)));
    writeFileAtomic(path, content);
  });
}
