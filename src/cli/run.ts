import { AbortedError } from '../base/errors.ts';
import { toPrintableLine } from '../base/printable.ts';
import { writeReport } from '../report/report-files.ts';
import { checkWritable } from '../report/run-folder.ts';
import { reportOf } from '../report/run-report.ts';
import type { Profile } from '../tuner/profile.ts';
import type { Engine } from './engine.ts';
import { experimentNeeds } from './experiment-job.ts';
import { type Io, writeJson, writeLine } from './io.ts';
import type { RunOptions } from './options.ts';
import { setupOf } from './plan.ts';
import { checkRunOptions, planRun, resumeRun } from './plan-run.ts';
import { profileNetwork } from './profile.ts';
import { describeError } from './report-error.ts';
import { runExperiments } from './run-experiments.ts';
import { interruptionText, printHeader, printResults } from './run-output.ts';
import { openRun, type RunSession } from './run-session.ts';
import type { RunTarget } from './run-target.ts';
import { resumeCommand } from './settings.ts';

/**
 * Runs an experiment or a coursework and writes a folder with `run.json`, `report.html`, the figures and, in `parts/`, every finished
 * result, from which `--resume` continues. Wrong requests are refused before the folder is made. After that, `run.json` is rewritten
 * after each epoch, so that nothing finished is lost.
 *
 * @returns the exit code: 1 if the loss of a model is not a finite number at the end, else 0
 * @throws AbortedError after Ctrl-C, when everything finished is written; UsageError and errors of data, adapter and experiments
 */
export async function run(target: RunTarget, options: RunOptions, io: Io, engine: Engine): Promise<number> {
  const start = performance.now();
  checkRunOptions(target, options);
  const { resume } = options;
  const note = (message: string) => writeLine(io.stderr, `Note: ${toPrintableLine(message)}`);
  using resumed = resume === undefined ? null : resumeRun(target, { ...options, resume }, note);
  if (!resumed) checkWritable(options.out);
  const plan = await planRun(target, options, resumed, engine, io);
  const session = await openRun(plan, engine, io, start);
  try {
    printHeader(session);
    await fetchFromWorkers(session);
    await saveRun(session, io, await runExperiments(session));
    const profile = await profileRun(session);
    printSummary(session, io, profile);
    return session.record.trainings.some(({ diverged = [] }) => diverged.length > 0) ? 1 : 0;
  } finally {
    await session.close();
  }
}

/** With `--workers`: fetches all results from the workers before the experiments run here. */
async function fetchFromWorkers({ plan, queue, context, folder, text, signal, save }: RunSession): Promise<void> {
  if (!queue) return;
  save();
  writeLine(text, `Workers: those of the queue at ${queue.address}`);
  const { target, experiments, request, datasets, weights } = plan;
  const { fetchResults } = await import('./queue-executor.ts');
  const needs = new Map(
    target.experiments.map((experiment) => [experiment.id, experimentNeeds(experiment, datasets, weights)]),
  );
  const { print } = context;
  context.executor = await fetchResults(context, experiments, { queue, request, needs, folder, signal, print });
}

/**
 * Completes the folder, also after an error: the report, and `run.json`, which says that the run is finished only if the report is there.
 * @throws `failure` unless it is undefined; FileError
 */
async function saveRun(session: RunSession, io: Io, failure: unknown): Promise<void> {
  const { plan, record, folder, progress, update, write } = session;
  progress.stop();
  if (failure !== undefined) {
    writeLine(io.stderr, `What finished before the error is saved in ${folder}`);
    record.status = 'failed';
    record.error = describeError(failure);
  }
  try {
    record.timings.finishedAt = new Date().toISOString();
    update();
    if (record.status !== 'finished') write();
    await writeReport(folder, reportOf(record));
    write();
  } catch (error) {
    if (failure === undefined) {
      writeLine(
        io.stderr,
        `The finished trainings are saved; \`${resumeCommand(plan.target, folder)}\` writes the report`,
      );
    }
    throw failure ?? error;
  }
  if (failure !== undefined) throw failure;
}

/** With `--profile` and a finished run: profiles a training step of its only experiment. */
async function profileRun(session: RunSession): Promise<Profile | undefined> {
  const { plan, engine, device, folder, record, contexts, text } = session;
  if (!plan.options.profile || record.status !== 'finished') return undefined;
  const [planned] = plan.experiments as [RunSession['plan']['experiments'][number]];
  const { networks = [], datasets } = planned.experiment;
  const { train } = contexts.create(setupOf(planned, planned.record, record.request)).images(datasets[0]!);
  return profileNetwork(networks[0]!, train, { engine, device, folder, settings: planned.settings, text });
}

/** Prints how the run ended: the results for people, or the whole record as JSON. @throws AbortedError after an interruption */
function printSummary({ plan, record, folder, text }: RunSession, io: Io, profile: Profile | undefined): void {
  if (record.status === 'interrupted') throw new AbortedError(interruptionText(record, folder));
  if (plan.options.json) writeJson(io.stdout, { folder, ...record, profile });
  else printResults(record, folder, text, profile);
}
