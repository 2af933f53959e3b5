import { checkFlag, checkOptions, formatValue } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import type { Callback, CallbackState, EpochLogs } from '../training/index.ts';
import { LineFile } from './line-file.ts';

/** The cell of a metric that an epoch does not have. */
const MISSING = 'NA';

/** Options of `CSVLogger` and `JSONLLogger`. */
export interface LoggerOptions {
  /** Whether to append to the file, as when training is resumed. Default: false, which empties it. */
  append?: boolean;
}

function fileOf(callback: string, path: string): LineFile {
  if (typeof path !== 'string' || path === '') {
    throw new ArgumentError(`${callback}: needs the path of a file, but was given ${formatValue(path)}`);
  }
  return new LineFile(path);
}

/** Writes each finished epoch as a line of a CSV file with a header, as Keras's callback of the same name. */
export class CSVLogger implements Callback {
  /** Name in backups; a bundler may change the name of the class. */
  readonly [Symbol.toStringTag] = 'CSVLogger';
  readonly adds = [];
  private readonly file: LineFile;
  private readonly separator: string;
  private readonly append: boolean;
  private columns: string[] | null = null;

  /** @param options.separator separates values; default: a comma. @throws ArgumentError */
  constructor(path: string, options: LoggerOptions & { separator?: string } = {}, ...surplus: never[]) {
    checkOptions('CSVLogger', options, { append: true, separator: true }, surplus);
    this.file = fileOf('CSVLogger', path);
    this.separator = options.separator ?? ',';
    this.append = checkFlag('CSVLogger', 'append', options.append ?? false);
    if (typeof this.separator !== 'string' || !/^[^\w\s".+-]$|^\t$/.test(this.separator)) {
      throw new ArgumentError(
        `CSVLogger: separator must be a character such as , or ; but is ${formatValue(this.separator)}`,
      );
    }
  }

  /** @throws FileError */
  onTrainBegin(): void {
    this.begin(this.append);
  }

  private begin(append: boolean): void {
    // Spreadsheets and Windows end lines with \r\n.
    const header = this.file.begin({ append })?.replace(/\r$/, '');
    this.columns = header === undefined ? null : cellsOf(header, this.separator);
  }

  /** Returns the lines so far, so that a resumed training removes those of epochs that it trains again. @throws FileError */
  state(): CallbackState {
    return { text: this.file.read() };
  }

  /** @throws FileError */
  restore({ text }: CallbackState): void {
    this.file.replace(text as string);
    this.begin(true);
  }

  /**
   * Metrics that callbacks add only in some epochs have columns, too: `NA` marks epochs without them, as in Keras.
   * @throws FileError; DataError if the file is not a log of epochs
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
    if (!this.columns) this.file.add(this.formatLine(names));
    this.columns ??= names;
    const added = names.filter((name) => !this.columns!.includes(name));
    if (added.length > 0) this.addColumns(added);
    this.file.add(
      this.formatLine(this.columns.map((name) => (Object.hasOwn(row, name) ? textOf(row[name]) : MISSING))),
    );
  }

  /** Adds columns by replacing the file; earlier epochs have `NA` in them. */
  private addColumns(names: readonly string[]): void {
    this.columns = [...this.columns!, ...names];
    const [, ...rows] = this.file.read().split(/\r?\n/);
    const emptyCells = names.map(() => this.separator + MISSING).join('');
    const longer = rows.filter((row) => row !== '').map((row) => row + emptyCells);
    this.file.replace([this.formatLine(this.columns), ...longer, ''].join('\n'));
  }

  private formatLine(texts: readonly string[]): string {
    const needsQuotes = (text: string) => /[\s"]/.test(text) || text.includes(this.separator);
    return texts.map((text) => (needsQuotes(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(this.separator);
  }
}

const textOf = (value: unknown) => (typeof value === 'number' ? String(value) : JSON.stringify(value));

/** Splits a line into cells; quoted ones may contain the separator. */
function cellsOf(formatLine: string, separator: string): string[] {
  const cells = formatLine.split(new RegExp(`\\${separator}(?=(?:[^"]*"[^"]*")*[^"]*$)`));
  return cells.map((cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}

/** Writes each finished epoch as one JSON object in a line. JSON has no NaN: `null` reads as "not a finite number". */
export class JSONLLogger implements Callback {
  /** Name in backups; a bundler may change the name of the class. */
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

  /** Returns the lines so far, as `CSVLogger` does. @throws FileError */
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
