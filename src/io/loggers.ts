import { checkFlag, checkOptions, formatValue } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import type { Callback, CallbackState, EpochLogs } from '../training/index.ts';
import { LineFile } from './line-file.ts';

/** What stands in a column of a figure that an epoch is without. */
const NOT_THERE = 'NA';

/** Options of `CSVLogger` and `JSONLLogger`. */
export interface LoggerOptions {
  /** Goes on after what is in the file, as when training is resumed. Default false: begins anew. */
  append?: boolean;
}

function fileOf(callback: string, path: string): LineFile {
  if (typeof path !== 'string' || path === '') {
    throw new ArgumentError(`${callback}: needs the path of a file, but was given ${formatValue(path)}`);
  }
  return new LineFile(path);
}

/** Writes each finished epoch as a line of a CSV file with a header, as Keras's callback of this name. */
export class CSVLogger implements Callback {
  /** Its name in backups, whatever a bundler makes of the class's. */
  readonly [Symbol.toStringTag] = 'CSVLogger';
  readonly adds = [];
  private readonly file: LineFile;
  private readonly separator: string;
  private readonly append: boolean;
  private columns: string[] | null = null;

  /** @param options.separator between values, default a comma. @throws ArgumentError */
  constructor(path: string, options: LoggerOptions & { separator?: string } = {}, ...surplus: never[]) {
    checkOptions('CSVLogger', options, { append: true, separator: true }, surplus);
    this.file = fileOf('CSVLogger', path);
    this.separator = options.separator ?? ',';
    this.append = checkFlag('CSVLogger', 'append', options.append ?? false);
    if (typeof this.separator !== 'string' || !/^[^\w\s".+-]$|^\t$/.test(this.separator)) {
      throw new ArgumentError(
        `CSVLogger: separator must be a sign such as , or ; but is ${formatValue(this.separator)}`,
      );
    }
  }

  /** @throws FileError */
  onTrainBegin(): void {
    this.begin(this.append);
  }

  private begin(append: boolean): void {
    // Spreadsheets and Windows end lines by \r\n.
    const header = this.file.begin({ append })?.replace(/\r$/, '');
    this.columns = header === undefined ? null : cellsOf(header, this.separator);
  }

  /** The lines so far: those of epochs that are trained again go. @throws FileError */
  state(): CallbackState {
    return { text: this.file.read() };
  }

  /** @throws FileError */
  restore({ text }: CallbackState): void {
    this.file.replace(text as string);
    this.begin(true);
  }

  /**
   * Figures that callbacks add in some epochs have columns too: `NA` stands where an epoch is without one, as in Keras.
   * @throws FileError; DataError where the file is no log of epochs
   */
  onEpochEnd(logs: EpochLogs): void {
    const row = Object.fromEntries(Object.entries(logs).filter(([, value]) => value !== undefined));
    const names = Object.keys(row);
    if (this.columns && !this.columns.includes('epoch')) {
      throw new DataError(
        `CSVLogger: ${this.file.path} has the columns ${this.columns.join(', ')}, but a log has one called epoch; ` +
          'use another file, or append: false',
      );
    }
    if (!this.columns) this.file.add(this.line(names));
    this.columns ??= names;
    const more = names.filter((name) => !this.columns!.includes(name));
    if (more.length > 0) this.addColumns(more);
    this.file.add(this.line(this.columns.map((name) => (Object.hasOwn(row, name) ? textOf(row[name]) : NOT_THERE))));
  }

  /** Columns after those there are, in a file that is replaced whole; in them the epochs so far have nothing. */
  private addColumns(names: readonly string[]): void {
    this.columns = [...this.columns!, ...names];
    const [, ...rows] = this.file.read().split(/\r?\n/);
    const nothing = names.map(() => this.separator + NOT_THERE).join('');
    const longer = rows.filter((row) => row !== '').map((row) => row + nothing);
    this.file.replace([this.line(this.columns), ...longer, ''].join('\n'));
  }

  private line(texts: readonly string[]): string {
    const needsQuotes = (text: string) => /[\s"]/.test(text) || text.includes(this.separator);
    return texts.map((text) => (needsQuotes(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(this.separator);
  }
}

const textOf = (value: unknown) => (typeof value === 'number' ? String(value) : JSON.stringify(value));

/** The cells of a line, of which those in quotes may hold the separator. */
function cellsOf(line: string, separator: string): string[] {
  const cells = line.split(new RegExp(`\\${separator}(?=(?:[^"]*"[^"]*")*[^"]*$)`));
  return cells.map((cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}

/** Writes each finished epoch as one JSON object in a line. JSON has no NaN: `null` reads as "not a finite number". */
export class JSONLLogger implements Callback {
  /** Its name in backups, whatever a bundler makes of the class's. */
  readonly [Symbol.toStringTag] = 'JSONLLogger';
  readonly adds = [];
  private readonly file: LineFile;
  private readonly append: boolean;

  /** @throws ArgumentError */
  constructor(path: string, options: LoggerOptions = {}, ...surplus: never[]) {
    checkOptions('JSONLLogger', options, { append: true }, surplus);
    this.file = fileOf('JSONLLogger', path);
    this.append = checkFlag('JSONLLogger', 'append', options.append ?? false);
  }

  /** @throws FileError */
  onTrainBegin(): void {
    this.file.begin({ append: this.append });
  }

  /** As CSVLogger's. @throws FileError */
  state(): CallbackState {
    return { text: this.file.read() };
  }

  /** @throws FileError */
  restore({ text }: CallbackState): void {
    this.file.replace(text as string);
  }

  /** @throws FileError */
  onEpochEnd(logs: EpochLogs): void {
    this.file.add(JSON.stringify(logs));
  }
}
