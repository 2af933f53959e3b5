import { appendFileSync, existsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createFolders } from '../base/create-folders.ts';
import { checkRegular, readRegular } from '../base/regular-file.ts';
import { onFile, writeFile } from './files.ts';

/** A file that grows line by line and, however it ends, holds whole lines: a log. */
export class LineFile {
  constructor(readonly path: string) {}

  /**
   * Empties the file, or goes on after its last whole line: one that a killed process left unfinished goes.
   * @returns the first line when going on, null for a new file. @throws FileError
   */
  begin({ append }: { append: boolean }): string | null {
    return onFile('write', this.path, () => {
      createFolders(dirname(resolve(this.path)));
      checkRegular('write', this.path);
      if (!append || !existsSync(this.path)) {
        writeFileSync(this.path, '');
        return null;
      }
      const bytes = readRegular(this.path);
      const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
      if (whole.length < bytes.length) truncateSync(this.path, whole.length);
      return whole.length > 0 ? whole.toString('utf8', 0, whole.indexOf('\n')) : null;
    });
  }

  /** All lines; none where somebody has removed the file. @throws FileError */
  read(): string {
    return onFile('read', this.path, () => (existsSync(this.path) ? readRegular(this.path).toString() : ''));
  }

  /** Replaces the file by what `read` returned. @throws FileError */
  replace(text: string): void {
    writeFile(this.path, text);
  }

  /** Adds a line; where that fails, none of it stays. @throws FileError */
  add(line: string): void {
    onFile('write', this.path, () => {
      const before = existsSync(this.path) ? statSync(this.path).size : 0;
      try {
        appendFileSync(this.path, `${line}\n`);
      } catch (cause) {
        if (existsSync(this.path)) truncateSync(this.path, before);
        throw cause;
      }
    });
  }
}
