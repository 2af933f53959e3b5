import { toPrintableLine } from '../base/printable.ts';
import { readReport, writeReport } from '../report/report-files.ts';
import { reportText } from '../report/text.ts';
import { type Io, writeJson, writeLine } from './io.ts';

/** `tilegrad report`: draws a run's report again, from its JSON alone. */
export async function report(path: string, options: { json?: boolean }, io: Io): Promise<void> {
  const { folder, report, note } = readReport(path);
  if (note) writeLine(io.stderr, `Note: ${toPrintableLine(note)}`);
  const files = await writeReport(folder, report);
  if (options.json) {
    writeJson(io.stdout, { folder, files, report });
    return;
  }
  writeLine(io.stdout, reportText(report));
  writeLine(io.stdout, `\nWrote report.html, report.json and the figures in ${toPrintableLine(folder)}`);
}
