import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { isIntactJson, toChecksummedJson } from '../base/checksum.ts';
import { ArgumentError, DataError, FileError } from '../base/errors.ts';
import { parseJson } from '../base/json.ts';
import { readRegular } from '../base/regular-file.ts';
import { searchRecord } from '../search/record.ts';
import { type Report, type ReportContent, reportContent } from './content.ts';
import { firstIssue } from './issue.ts';
import { writeRunFile, writeRunFiles } from './run-folder.ts';
import { type RunRecord, runRecord } from './run-record.ts';
import { reportOf } from './run-report.ts';
import { reportOfSearch } from './search-folder.ts';
import { withUniqueNames } from './unique-names.ts';

/** Subfolder of a run's folder with its figures. */
const FIGURES = 'figures';

/**
 * Writes a report into a folder: `report.html`, `report.json` and, in `figures/`, each figure as SVG, PNG and JSON. If the disk
 * is full, what was there before stays as it was.
 *
 * @returns the files' paths within the folder
 * @throws ArgumentError for invalid content; FileError
 */
export async function writeReport(folder: string, content: ReportContent): Promise<string[]> {
  const report = checkReport(content);
  // Loaded here, because Vega takes most of a second to load, and most commands draw nothing.
  const { drawFigure, renderPng } = await import('./draw.ts');
  const { reportPage } = await import('./html.ts');
  const drawings = new Map<string, Awaited<ReturnType<typeof drawFigure>>>();
  const files: [string, string | Uint8Array][] = [];
  for (const { blocks } of report.sections) {
    for (const block of blocks) {
      if (block.type !== 'figure') continue;
      const { figure } = block;
      const drawing = await drawFigure(figure);
      drawings.set(figure.name, drawing);
      files.push(
        [join(FIGURES, `${figure.name}.svg`), drawing.svg],
        [join(FIGURES, `${figure.name}.png`), await renderPng(drawing.svg)],
        [join(FIGURES, `${figure.name}.json`), jsonText(figure)],
      );
    }
  }
  files.push(['report.json', toChecksummedJson(report, 1)], ['report.html', reportPage(report, drawings)]);
  writeRunFiles(folder, files);
  return files.map(([name]) => name);
}

/** Whether `writeReport` finished: it writes the page last. */
export const hasReport = (folder: string): boolean => existsSync(join(folder, 'report.html'));

const jsonText = (value: unknown) => `${JSON.stringify(value, null, 1)}\n`;

/** Returns the content with defaults, and gives figures of equal names unique ones. @throws ArgumentError for invalid content */
export function checkReport(content: ReportContent): Report {
  // As it will be read back: NaN and Infinity become null, and only plain data is left.
  const { success, data, error } = reportContent.safeParse(JSON.parse(JSON.stringify(content)));
  if (!success) throw new ArgumentError(`a report cannot be made of this: ${firstIssue(error)}`);
  return withUniqueNames(data);
}

/**
 * Reads the report of a run's folder: from its `run.json`, which is the newest, or from its `report.json` if `run.json` is missing or
 * cannot be read. The folder of a search without a report has only `search.json`.
 * @param path the folder, or one of the files
 * @returns the report, and a note to print if `run.json` could not be read, because `report.json` may be older
 * @throws FileError if there is none; DataError if it is cut short, from another program or another version
 */
export function readReport(path: string): { folder: string; report: Report; note?: string } {
  if (!existsSync(path)) {
    throw new FileError(
      `there is no ${path}. Give the folder of a run, such as those \`npx tilegrad run\` leaves in runs/.`,
    );
  }
  const isFolder = statSync(path).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const candidates = isFolder ? ['run.json', 'report.json', 'search.json'].map((name) => join(path, name)) : [path];
  const files = candidates.filter((candidate) => existsSync(candidate));
  if (files.length === 0) {
    throw new FileError(
      `${path} holds neither run.json, report.json nor search.json, so it is not the folder of a run or a search`,
    );
  }
  try {
    return { folder, report: readReportFile(files[0]!) };
  } catch (error) {
    if (files.length === 1) throw error;
    const report = readReportFile(files[1]!);
    return { folder, report, note: `${files[1]} is shown, which may be older: ${(error as Error).message}` };
  }
}

function readReportFile(file: string): Report {
  const parsed = parseFile(file);
  if (basename(file) === 'search.json') {
    const { crc32c: _, ...record } = Object(parsed.value);
    const folder = dirname(file);
    const found = checkFile(file, { ...parsed, value: record }, searchRecord, 'search', 1);
    return checkReport(reportOfSearch(found, folder, hasBackups(folder)));
  }
  const isReport =
    basename(file) === 'report.json' || (parsed.value as { kind?: unknown } | null)?.kind === 'tilegrad-report';
  if (isReport) return checkFile(file, parsed, reportContent, 'report', 1);
  return checkReport(reportOf(checkFile(file, parsed, runRecord, 'run record', 2)));
}

/** Whether a search's folder has a backup of a trial that has not ended. */
function hasBackups(folder: string): boolean {
  const path = join(folder, 'backups');
  return existsSync(path) && readdirSync(path).length > 0;
}

/** Reads the `run.json` of a run's folder. @throws FileError, DataError as `readReport` */
export function readRunRecord(folder: string): RunRecord {
  const file = join(folder, 'run.json');
  if (!existsSync(file)) {
    throw new FileError(
      `there is no ${file}. Give the folder of a run, such as those \`npx tilegrad run\` leaves in runs/.`,
    );
  }
  return checkFile(file, parseFile(file), runRecord, 'run record', 2);
}

/** Reads a JSON file of tilegrad. @throws FileError; DataError if it is cut short, from another program or another version */
export function readJson<T extends z.ZodType>(file: string, schema: T, subject: string, version: number): z.output<T> {
  return checkFile(file, parseFile(file), schema, subject, version);
}

/** Writes the `run.json` of a run's folder, with a checksum. @throws FileError */
export function writeRunRecord(folder: string, record: RunRecord): void {
  writeRunFile(join(folder, 'run.json'), toChecksummedJson(record, 1));
}

/** The content of a file, and whether its checksum matches. */
interface ParsedFile {
  value: unknown;
  isIntact: boolean;
}

function parseFile(file: string): ParsedFile {
  let text: string;
  try {
    text = readRegular(file).toString();
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    throw new FileError(`cannot read ${file}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  try {
    const value = parseJson(text);
    return { value, isIntact: isIntactJson(text, value) };
  } catch (cause) {
    throw new DataError(
      `${file} is not JSON, or cut short: ${(cause as Error).message}. A file that was copied may be copied again; else run the experiment again.`,
      { cause },
    );
  }
}

function checkFile<T extends z.ZodType>(
  file: string,
  { value, isIntact }: ParsedFile,
  schema: T,
  subject: string,
  supportedVersion: number,
): z.output<T> {
  const { success, data, error } = schema.safeParse(value);
  if (success && isIntact) return data;
  if (success) {
    throw new DataError(
      `${file} was changed after it was written: its checksum is not that of its text. Take another copy, or run the experiment ` +
        'again. If somebody changed it on purpose, take "crc32c" out of it.',
    );
  }
  const version = (value as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (typeof version === 'number' && version !== supportedVersion) {
    throw new DataError(
      `${file} is a ${subject} of version ${version}; this tilegrad reads version ${supportedVersion}. Use the tilegrad that wrote it.`,
    );
  }
  throw new DataError(`${file} is not a ${subject} of tilegrad: ${firstIssue(error)}`);
}
