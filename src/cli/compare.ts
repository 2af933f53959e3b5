import { basename, resolve } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { toPrintableLine } from '../base/printable.ts';
import { compareReports } from '../report/compare.ts';
import { checkReport, readReport, writeReport } from '../report/report-files.ts';
import { checkWritable, createRunFolder } from '../report/run-folder.ts';
import { resultsText } from '../report/text.ts';
import { type Io, writeJson, writeLine } from './io.ts';

/** `tilegrad compare`: writes a report that compares runs, in a new folder. */
export async function compare(
  paths: readonly string[],
  options: { out: string; json?: boolean },
  io: Io,
): Promise<void> {
  if (paths.length < 2) {
    throw new UsageError(
      `compare takes two or more runs, but was given ${paths.length}. See \`npx tilegrad compare --help\`.`,
    );
  }
  const reports = paths.map((path) => readReport(path));
  for (const { note } of reports) if (note) writeLine(io.stderr, `Note: ${toPrintableLine(note)}`);
  checkWritable(options.out);
  const names = reports.map(({ folder }) => basename(resolve(folder)));
  const runs = reports.map(({ folder, report }, i) => {
    const isAmbiguous = names.indexOf(names[i]!) !== names.lastIndexOf(names[i]!);
    return { name: isAmbiguous ? `${i + 1}: ${folder}` : names[i]!, report };
  });
  const report = checkReport(compareReports(runs));
  const folder = createRunFolder(options.out, 'compare', new Date());
  const files = await writeReport(folder, report);
  if (options.json) {
    writeJson(io.stdout, { folder, files, report });
    return;
  }
  writeLine(io.stdout, resultsText(report));
  writeLine(io.stdout, `\nWrote report.html, report.json and the figures in ${toPrintableLine(folder)}`);
}
