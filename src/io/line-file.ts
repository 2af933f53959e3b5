import { appendFileSync, existsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createFolders } from '../base/create-folders.ts';
import { checkRegular, readRegular } from '../base/regular-file.ts';
import { withFileErrors, writeFile } from './files.ts';

/** A log file to which lines are appended; it never contains part of a line for long, even after a crash. */
export class LineFile {
  constructor(readonly path: string) {}

  /**
   * Empties the file, or prepares to append after its last complete line: an incomplete one of a killed process is removed.
   * @returns the first line if it appends, null for a new file. @throws FileError
   */
  begin({ append }: { append: boolean }): string | null {
    return withFileErrors('write', this.path, () => {
      createFolders(dirname(resolve(this.path)));
      checkRegular('write', this.path);
      if (!append || !existsSync(this.path)) {
        writeFileSync(this.path, '');
        return null;
      }
      const bytes = readRegular(this.path);
      const completeLines = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
      if (completeLines.length < bytes.length) truncateSync(this.path, completeLines.length);
      return completeLines.length > 0 ? completeLines.toString('utf8', 0, completeLines.indexOf('\n')) : null;
    });
  }

  /** Returns all lines; none if the file was removed. @throws FileError */
  read(): string {
    return withFileErrors('read', this.path, () => (existsSync(this.path) ? readRegular(this.path).toString() : ''));
  }

  /** Replaces the content by a value that `read` returned. @throws FileError */
  replace(text: string): void {
    writeFile(this.path, text);
  }

  /** Appends a line, completely or not at all. @throws FileError */
  add(line: string): void {
    withFileErrors('write', this.path, () => {
      const sizeBefore = existsSync(this.path) ? statSync(this.path).size : 0;
      try {
        appendFileSync(this.path, `${line}\n`);
      } catch (cause) {
        if (existsSync(this.path)) truncateSync(this.path, sizeBefore);
        throw cause;
      }
    });
  }
}
