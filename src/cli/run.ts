import { join } from 'node:path';
import { AbortedError, UsageError } from '../base/errors.ts';
import { toPrintableLine } from '../base/printable.ts';
import type { JobQueue } from '../jobs/queue.ts';
import type { Section } from '../report/content.ts';
import { adapterText, count, duration, tuningText } from '../report/format.ts';
import { profileTable } from '../report/profile.ts';
import { checkReport, readRunRecord, writeReport, writeRunRecord } from '../report/report-files.ts';
import { checkWritable, createRunFolder } from '../report/run-folder.ts';
import type { RowRecord, RunRecord } from '../report/run-record.ts';
import { reportOf } from '../report/run-report.ts';
import { resultsText } from '../report/text.ts';
import type { Training } from '../report/training.ts';
import type { Profile } from '../tuner/profile.ts';
import type { Choice } from './choice.ts';
import { explainWarnings } from './dawn-warnings.ts';
import type { Engine } from './engine.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type Io, json, line, type OutputStream } from './io.ts';
import { type Bench, Labs } from './lab.ts';
import type { RunOptions } from './options.ts';
import { loadDatasets, type Planned, placeOf, planRow } from './plan.ts';
import { profileNetwork } from './profile.ts';
import { Progress } from './progress.ts';
import { dataRecord, newRecord, sourceText, tuningRecord } from './record.ts';
import { describeError } from './report-error.ts';
import { checkOptions, checkSame, findRun } from './resume.ts';
import { rowNeeds } from './row-job.ts';
import { lockRun } from './run-lock.ts';
import { checkLimit, checkShort, defaultScale, requestOf, resumeCommand } from './settings.ts';
import { versions } from './versions.ts';
import { findWeights } from './weights.ts';

/** A run under way. */
interface Session {
  planned: Planned[];
  record: RunRecord;
  folder: string;
  labs: Labs;
  summary: Choice['summary'];
  /** Text for people: stdout, or stderr when stdout is for JSON. */
  text: OutputStream;
  progress: Progress;
  signal: AbortSignal;
  /** Brings the record up to date. */
  update(): void;
  /** Writes the record into `run.json`. */
  write(): void;
  /** Both. */
  save(): void;
}

const since = (start: number) => (performance.now() - start) / 1000;

/**
 * Runs a row or a coursework and leaves a folder with `run.json`, `report.html`, the figures and, in `parts/`, whatever is
 * finished, from which `--resume` goes on. Everything that can be wrong with the request is found before the folder is made; from
 * then on `run.json` is rewritten after each epoch, so that nothing finished is lost.
 *
 * @returns the exit code: 1 where a model's loss is not a finite number at the end, else 0
 * @throws AbortedError after Ctrl-C, once what was done is written.
 */
export async function run(choice: Choice, options: RunOptions, io: Io, engine: Engine): Promise<number> {
  const text = options.json ? io.stderr : io.stdout;
  const start = performance.now();
  const { rows } = choice;
  if (options.profile && (rows.length > 1 || !rows[0]!.networks?.length || rows[0]!.datasets.length === 0)) {
    throw new UsageError(
      `--profile: takes an experiment with a network and a data set of its own, such as A1, but was given ${choice.id}`,
    );
  }
  if (options.workers !== undefined && choice.file !== undefined) {
    throw new UsageError(
      `--workers: workers have the experiments that come with tilegrad, and not ${choice.file}; leave the option out`,
    );
  }
  if (options.acceptChanges && (options.resume === undefined || choice.file === undefined)) {
    throw new UsageError("--accept-changes: it is for --resume with an experiment of one's own; leave the option out");
  }
  const note = (message: string) => line(io.stderr, `Note: ${toPrintableLine(message)}`);
  const resumed = options.resume === undefined ? null : findRun(choice, options.resume, options.out, note);
  checkWritable(resumed?.folder ?? options.out);
  using _resumedLock = resumed && lockRun(resumed.folder);
  if (resumed) {
    resumed.record = readRunRecord(resumed.folder); // another process may have been at it until now
    checkOptions(resumed, options);
  }
  const datasets = await loadDatasets(rows, options.data ?? resumed?.record.request.data, engine);
  if (!resumed) checkLimit(options.limit, datasets.values());
  const weights = await findWeights(rows, engine, io);
  const weightFiles = [...weights.values()].flat();
  const asked = resumed ? { ...options, ...resumed.record.request } : options;
  const request = requestOf(
    choice,
    { ...asked, data: options.data ?? asked.data },
    asked.scale ?? defaultScale(datasets.values()),
  );
  checkShort(request, rows);
  const planned = rows.map((experiment): Planned => {
    const finished = resumed?.record.rows.find(({ id, status }) => id === experiment.id && status === 'finished');
    const paths = experiment.checkpoint ? weights.get(experiment.checkpoint)!.map(({ path }) => path) : [];
    return planRow(experiment, request, datasets, paths, finished);
  });

  const progress = new Progress(text, io.stderr);
  const interrupt = listenForInterrupt(io, (isFirst) => {
    progress.stop();
    if (isFirst) line(io.stderr, 'Stopping after the current step; press Ctrl-C again to exit at once.');
  });
  let queue: JobQueue | undefined;
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  try {
    if (options.workers !== undefined) {
      const { openQueue } = await import('../jobs/queue.ts');
      queue = await openQueue({ url: options.workers, env: io.env, say: (message) => line(io.stderr, message) });
    }
    const device = own(await engine.openDevice({ fineTimestamps: options.profile }));
    explainWarnings(device.info, io);
    const tuning = await engine.loadTuning(device, note);
    if (resumed) {
      const tuned = tuningRecord(tuning);
      const data = dataRecord(datasets.values());
      const now = { data, weights: weightFiles, adapter: device.info, tuning: tuned, versions: versions() };
      checkSame(resumed, { ...now, code: choice.code, file: choice.file }, options.acceptChanges);
    }
    const { title, question } = choice;
    const startedAt = resumed ? new Date(resumed.record.timings.startedAt) : new Date();
    const record = newRecord({
      title,
      question,
      request,
      rows: planned.map(({ row }) => row),
      // They stand there until they are gone through again, so that nothing is lost where this session ends early.
      trainings: (resumed?.record.trainings ?? []).filter(({ status }) => status === 'finished'),
      datasets: datasets.values(),
      weights: weightFiles,
      device,
      tuning,
      startedAt,
      code: choice.code,
    });

    line(text, `${choice.id}: ${title}${request.scale === 'full' ? '' : ` (scale ${request.scale})`}`);
    line(text, `Adapter: ${adapterText(device.info)}`);
    line(text, `Kernels: ${tuningText(tuning)}`);
    for (const dataset of datasets.values()) line(text, `Data:    ${sourceText(dataset)}`);
    for (const { path } of weightFiles) line(text, `Weights: ${toPrintableLine(path)}`);

    const folder = resumed?.folder ?? createRunFolder(options.out, choice.id, startedAt);
    using _newLock = resumed ? null : lockRun(folder);
    if (resumed) line(text, `Going on in ${folder}`);
    const before = resumed?.record.timings.totalSeconds ?? 0;
    const update = () => {
      record.timings.totalSeconds = before + since(start);
      record.counters = { ...device.counters };
      record.tuning = tuningRecord(tuning, resumed?.record.tuning);
    };
    const write = () => writeRunRecord(folder, record);
    const save = () => {
      update();
      write();
    };
    const { signal } = interrupt;
    const say = (words: string) => line(text, words);
    const bench: Bench = { engine, device, folder, datasets, record, signal, progress, say, save };
    if (queue) {
      save();
      line(text, `Workers: those of the queue at ${queue.address}`);
      const { fetchParts } = await import('./remote-parts.ts');
      const needs = new Map(rows.map((row) => [row.id, rowNeeds(row, datasets, weights)]));
      bench.elsewhere = await fetchParts(bench, planned, { queue, request, needs, folder, signal, say });
    }
    const labs = own(new Labs(bench));
    const { summary } = choice;
    const session: Session = { planned, record, summary, folder, labs, text, progress, signal, update, write, save };
    const failure = await runRows(session).catch((error: unknown) => error);
    progress.stop();
    if (failure !== undefined) {
      line(io.stderr, `What finished before the error is kept in ${folder}`);
      record.status = 'failed';
      record.error = describeError(failure);
    }
    try {
      await close(session);
    } catch (error) {
      if (failure === undefined) {
        line(io.stderr, `What was trained is kept; \`${resumeCommand(choice, folder)}\` writes the report`);
      }
      throw failure ?? error;
    }
    if (failure !== undefined) throw failure;
    const {
      networks = [],
      datasets: [name],
    } = rows[0]!;
    const profile =
      options.profile && record.status === 'finished'
        ? await profileNetwork(
            networks[0]!,
            labs.lab(placeOf(planned[0]!, planned[0]!.row, record.request)).images(name!).train,
            {
              engine,
              device,
              folder,
              settings: planned[0]!.settings,
              text,
            },
          )
        : undefined;
    finish(session, options, io, profile);
    return record.trainings.some(({ diverged = [] }) => diverged.length > 0) ? 1 : 0;
  } finally {
    interrupt.dispose();
    await queue?.close();
    for (const resource of owned.reverse()) resource.dispose();
  }
}

/** Runs one row after the other; ends early, without an error, when the signal says so. */
async function runRows(session: Session): Promise<void> {
  const { planned, record, labs, summary, text, signal, save } = session;
  save();
  for (const one of planned) {
    if (signal.aborted) break;
    const { experiment, row, fresh } = one;
    const before = { ...row };
    Object.assign(row, structuredClone(fresh), { status: 'running' });
    if (planned.length > 1) line(text, `\n${row.id}: ${row.title}`);
    try {
      const isReduced = row.reduced.length > 0;
      const written = await experiment.run(labs.lab(placeOf(one, row, record.request)));
      const sections = isReduced ? written.map((one) => withoutReasons(one, isQuick(record, row))) : written;
      row.sections = checkReport(reportOf({ ...record, rows: [{ ...row, sections, status: 'finished' }] })).sections;
      row.status = 'finished';
      if (summary) record.summary = summary(finishedTrainings(record), { likeForLike: !isQuick(record, row) });
    } catch (error) {
      if (error instanceof AbortedError && signal.aborted) {
        // One that was finished before and only gone through again is so still.
        Object.assign(row, before.status === 'finished' ? before : { status: 'interrupted' });
        break;
      }
      row.status = 'failed';
      row.error = describeError(error);
      throw error;
    } finally {
      save();
    }
  }
  record.status = record.rows.every(({ status }) => status === 'finished') ? 'finished' : 'interrupted';
}

const finishedTrainings = ({ trainings }: RunRecord): Training[] =>
  trainings.filter(({ status }) => status === 'finished').map((one) => ({ ...one, measured: [] }));

/** Whether a row was run to see that it runs: at the smoke scale, or on the sample that comes with the repository. */
const isQuick = ({ request, data }: RunRecord, { datasets }: RowRecord): boolean =>
  request.scale === 'smoke' || datasets.some((name) => data[name]!.kind === 'sample');

/**
 * With less data or fewer epochs than published, that is reason enough for another figure.
 * @param quick whether any figure is to be expected, so that none is marked
 */
const withoutReasons = ({ title, blocks }: Section, quick: boolean): Section => ({
  title,
  blocks: blocks.map((block) =>
    block.type === 'comparison'
      ? { ...block, rows: block.rows.map(({ why: _, ...row }) => (quick ? { ...row, likeForLike: false } : row)) }
      : block,
  ),
});

/** Completes the folder: the report and `run.json`, which says that the run is finished only if the report is there. */
async function close({ record, folder, update, write }: Session): Promise<void> {
  record.timings.finishedAt = new Date().toISOString();
  update();
  if (record.status !== 'finished') write();
  await writeReport(folder, reportOf(record));
  write();
}

/** Says how it ended: the comparison for people, the whole record for programs, an AbortedError after Ctrl-C. */
function finish({ record, folder, text }: Session, options: RunOptions, io: Io, profile?: Profile): void {
  if (record.status === 'interrupted') {
    const under = record.trainings.find(({ status }) => status === 'interrupted');
    const epoch = under?.histories.at(-1)?.at(-1)?.epoch;
    const search = record.searches?.find(({ status }) => status === 'interrupted')?.record;
    const when = under
      ? `${epoch === undefined ? 'before the end of the first epoch' : `after epoch ${epoch}`} of ${under.name}`
      : search
        ? `in search ${search.name}, trials done: ${search.trials.length}`
        : 'between two trainings';
    throw new AbortedError(
      `interrupted ${when} (\`${resumeCommand(record.request, folder)}\` goes on); results kept in ${folder}`,
    );
  }
  if (options.json) {
    json(io.stdout, { folder, ...record, profile });
    return;
  }
  if (profile) {
    line(text, `\n${profileTable(profile)}`);
    line(text, `Trace for chrome://tracing or ui.perfetto.dev: ${join(folder, 'trace.json')}`);
  }
  const report = checkReport(reportOf(record));
  // Of a coursework, the table of all rows; the report has the rest.
  const shown = record.rows.length > 1 ? { ...report, sections: report.sections.slice(0, 1) } : report;
  line(text, `\n${resultsText(shown)}`);
  const speeds = record.trainings
    .filter(({ kept }) => !kept)
    .flatMap(({ histories }) => histories.flat().map((logs) => logs.samplesPerSecond ?? 0));
  const speed =
    speeds.length > 0
      ? `, ${count(speeds.reduce((sum, value) => sum + value, 0) / speeds.length)} samples/s on average`
      : '';
  line(text, `\n${duration(record.timings.totalSeconds)} in all${speed}. Results in ${folder}`);
  line(text, `Report:  ${join(folder, 'report.html')}`);
}
