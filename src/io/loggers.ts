import { checkOptions, show } from '../check.ts';
import { ArgumentError, DataError } from '../errors.ts';
import type { Callback, CallbackState, EpochLogs } from '../nn/index.ts';
import { LineFile } from './line-file.ts';

export interface LoggerOptions {
  /** Goes on after what is in the file, as when training is resumed. Default false: begins anew. */
  append?: boolean;
}

function fileOf(callback: string, path: string): LineFile {
  if (typeof path !== 'string' || path === '') {
    throw new ArgumentError(`${callback}: needs the path of a file, but was given ${show(path)}`);
  }
  return new LineFile(path);
}

/** Writes each finished epoch as a line of a CSV file with a header, as Keras's callback of this name. */
export class CSVLogger implements Callback {
  /** Its name in backups, whatever a bundler makes of the class's. */
  readonly [Symbol.toStringTag] = 'CSVLogger';
  private readonly file: LineFile;
  private readonly separator: string;
  private readonly append: boolean;
  private columns: string[] | null = null;

  /** @param options.separator between values, default a comma. @throws ArgumentError */
  constructor(path: string, options: LoggerOptions & { separator?: string } = {}) {
    checkOptions('CSVLogger', options, { append: true, separator: true });
    this.file = fileOf('CSVLogger', path);
    this.separator = options.separator ?? ',';
    this.append = options.append ?? false;
    if (typeof this.separator !== 'string' || !/^[^\w\s".+-]$|^\t$/.test(this.separator)) {
      throw new ArgumentError(`CSVLogger: separator must be a sign such as , or ; but is ${show(this.separator)}`);
    }
  }

  /** @throws FileError */
  onTrainBegin(): void {
    this.begin(this.append);
  }

  private begin(append: boolean): void {
    // Spreadsheets and Windows end lines by \r\n.
    this.columns = this.file.begin({ append })?.replace(/\r$/, '').split(this.separator) ?? null;
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

  /** @throws FileError; DataError where the file has other columns */
  onEpochEnd(logs: EpochLogs): void {
    const entries = Object.entries(logs).filter(([, value]) => value !== undefined);
    const names = entries.map(([name]) => name);
    if (!this.columns) this.file.add(names.join(this.separator));
    this.columns ??= names;
    const row = Object.fromEntries(entries);
    const { columns } = this;
    if (names.length !== columns.length || !columns.every((name) => name in row)) {
      throw new DataError(
        `CSVLogger: ${this.file.path} has the columns ${columns.join(', ')}, but this epoch has ${names.join(', ')}; ` +
          'use another file, or append: false',
      );
    }
    this.file.add(columns.map((name) => this.cell(row[name])).join(this.separator));
  }

  private cell(value: unknown): string {
    const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
    return /[\s"]/.test(text) || text.includes(this.separator) ? `"${text.replaceAll('"', '""')}"` : text;
  }
}

/** Writes each finished epoch as one JSON object in a line. JSON has no NaN: `null` reads as "not a finite number". */
export class JSONLLogger implements Callback {
  /** Its name in backups, whatever a bundler makes of the class's. */
  readonly [Symbol.toStringTag] = 'JSONLLogger';
  private readonly file: LineFile;
  private readonly append: boolean;

  /** @throws ArgumentError */
  constructor(path: string, options: LoggerOptions = {}) {
    checkOptions('JSONLLogger', options, { append: true });
    this.file = fileOf('JSONLLogger', path);
    this.append = options.append ?? false;
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
