import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { takeShortLock } from '../../scripts/setup/lock.mjs';
import { createFolders } from '../base/create-folders.ts';
import { UsageError } from '../base/errors.ts';
import { toPrintableLine } from '../base/printable.ts';
import { withFileErrors } from '../io/files.ts';
import { readJson, readRunRecord } from '../report/report-files.ts';
import { type ExperimentResult, experimentResult, resultOf, resultsDocument } from '../report/results.ts';
import { writeRunFiles } from '../report/run-folder.ts';
import { divergenceText } from '../report/training.ts';
import { scales } from './experiment.ts';
import { type Io, writeJson, writeLine } from './io.ts';

/** Reads the saved results in a folder, in the order of their file names. @throws FileError, DataError */
export function readResults(folder: string): ExperimentResult[] {
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory();
  const names = isFolder ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  return names.sort().map((name) => readJson(join(folder, name), experimentResult, 'result', 1));
}

/** Whether a result is less complete than another: of a smaller scale, or of the same scale and only this one reduced. */
function isLessComplete(result: ExperimentResult, other: ExperimentResult | undefined): boolean {
  if (!other) return false;
  const steps = scales.indexOf(result.scale) - scales.indexOf(other.scale);
  return steps > 0 || (steps === 0 && result.reduced.length > 0 && other.reduced.length === 0);
}

const scaleText = ({ scale, reduced }: ExperimentResult): string =>
  `of scale ${scale}${reduced.length > 0 ? `, reduced or changed (${reduced.join('; ')})` : ''}`;

/** Adds results to the saved ones in a folder of documents. @returns all, by the id of the experiment */
function mergeResults(newResults: readonly ExperimentResult[], docs: string): Map<string, ExperimentResult> {
  const folder = join(docs, 'results');
  const saved = new Map(readResults(folder).map((result) => [result.id, result]));
  for (const result of newResults) {
    const earlier = saved.get(result.id);
    if (earlier && isLessComplete(result, earlier)) {
      throw new UsageError(
        `${join(folder, `${result.id}.json`)} is ${scaleText(earlier)}, and the run ${scaleText(result)}: delete that file first ` +
          'to replace it by the less complete one',
      );
    }
    saved.set(result.id, result);
  }
  writeRunFiles(docs, [
    ...newResults.map(
      (result) => [join('results', `${result.id}.json`), `${JSON.stringify(result, null, 1)}\n`] as const,
    ),
    ['RESULTS.md', resultsDocument([...saved.values()])] as const,
  ]);
  return saved;
}

/**
 * `tilegrad results`: saves the results of runs in `results/` of a folder of documents, and writes `RESULTS.md` there from all saved
 * results. It locks the folder. If several runs have an experiment, the most complete one counts, or the last of equal ones.
 * @throws UsageError if a less complete result would replace a saved one; FileError, DataError
 */
export function results(runs: readonly string[], options: { docs: string; json?: boolean }, io: Io): void {
  const found = new Map<string, ExperimentResult>();
  for (const path of runs) {
    const record = readRunRecord(path);
    const diverged = record.trainings.flatMap((entry) => divergenceText(entry) ?? []);
    if (diverged.length > 0) {
      writeLine(io.stderr, `Note: ${toPrintableLine(path)} is left out: ${diverged.map(toPrintableLine).join('; ')}`);
      continue;
    }
    for (const row of record.rows) {
      const result = resultOf(record, row);
      if (!result) writeLine(io.stderr, `Note: ${row.id} of ${toPrintableLine(path)} is ${row.status}; left out`);
      else if (!isLessComplete(result, found.get(row.id))) found.set(row.id, result);
    }
  }
  const newResults = [...found.values()];
  const lock = withFileErrors('write to', options.docs, () => {
    createFolders(resolve(options.docs));
    return takeShortLock(join(options.docs, '.results-lock.tmp'));
  });
  let saved: Map<string, ExperimentResult>;
  try {
    saved = mergeResults(newResults, options.docs);
  } finally {
    lock.release();
  }
  const path = join(options.docs, 'RESULTS.md');
  if (options.json) writeJson(io.stdout, { path, results: [...saved.values()] });
  else
    writeLine(
      io.stdout,
      `Wrote ${toPrintableLine(path)} with ${saved.size} rows, ${newResults.length} of them new: ${newResults.map(({ id }) => id).join(', ')}`,
    );
}
