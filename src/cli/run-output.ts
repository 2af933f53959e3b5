import { join } from 'node:path';
import { toPrintableLine } from '../base/printable.ts';
import { adapterText, count, duration, tuningText } from '../report/format.ts';
import { profileTable } from '../report/profile.ts';
import { checkReport } from '../report/report-files.ts';
import type { RunRecord } from '../report/run-record.ts';
import { reportOf } from '../report/run-report.ts';
import { resultsText } from '../report/text.ts';
import type { Profile } from '../tuner/profile.ts';
import { type OutputStream, writeLine } from './io.ts';
import { sourceText } from './record.ts';
import type { RunSession } from './run-session.ts';
import { resumeCommand } from './settings.ts';

/** Prints what runs, on which adapter, with which kernels and data. */
export function printHeader({ plan, device, tuning, folder, text }: RunSession): void {
  const { target, request, datasets, weights, resumed } = plan;
  const scale = request.scale === 'full' ? '' : ` (scale ${request.scale})`;
  writeLine(text, `${target.id}: ${target.title}${scale}`);
  writeLine(text, `Adapter: ${adapterText(device.info)}`);
  writeLine(text, `Kernels: ${tuningText(tuning)}`);
  for (const dataset of datasets.values()) writeLine(text, `Data:    ${sourceText(dataset)}`);
  for (const { path } of [...weights.values()].flat()) writeLine(text, `Weights: ${toPrintableLine(path)}`);
  if (resumed) writeLine(text, `Resuming in ${folder}`);
}

/** Prints the results of a finished run for people: profile, comparison, time and the path of the report. */
export function printResults(record: RunRecord, folder: string, text: OutputStream, profile?: Profile): void {
  if (profile) {
    writeLine(text, `\n${profileTable(profile)}`);
    writeLine(text, `Trace for chrome://tracing or ui.perfetto.dev: ${join(folder, 'trace.json')}`);
  }
  const report = checkReport(reportOf(record));
  // For a coursework, only the table of all experiments; the report has the rest.
  const shownReport = record.rows.length > 1 ? { ...report, sections: report.sections.slice(0, 1) } : report;
  writeLine(text, `\n${resultsText(shownReport)}`);
  const speed = meanSpeed(record);
  const speedText = speed === null ? '' : `, ${count(speed)} samples/s on average`;
  writeLine(text, `\n${duration(record.timings.totalSeconds)} in all${speedText}. Results in ${folder}`);
  writeLine(text, `Report:  ${join(folder, 'report.html')}`);
}

/** Mean over the epochs that this session trained, in samples per second; null if it trained none. */
export function meanSpeed({ trainings }: Pick<RunRecord, 'trainings'>): number | null {
  const speeds = trainings
    .filter(({ kept }) => !kept)
    .flatMap(({ histories }) => histories.flat().map((logs) => logs.samplesPerSecond ?? 0));
  return speeds.length > 0 ? speeds.reduce((sum, value) => sum + value, 0) / speeds.length : null;
}

/** Describes where an interrupted run stopped, with the command that resumes it. */
export function interruptionText(
  { request, trainings, searches = [] }: Pick<RunRecord, 'request' | 'trainings' | 'searches'>,
  folder: string,
): string {
  const training = trainings.find(({ status }) => status === 'interrupted');
  const epoch = training?.histories.at(-1)?.at(-1)?.epoch;
  const search = searches.find(({ status }) => status === 'interrupted')?.record;
  const when = training
    ? `${epoch === undefined ? 'before the end of the first epoch' : `after epoch ${epoch}`} of ${training.name}`
    : search
      ? `in search ${search.name}, trials done: ${search.trials.length}`
      : 'between two trainings';
  return `interrupted ${when} (\`${resumeCommand(request, folder)}\` resumes it); results saved in ${folder}`;
}
