import { AbortedError } from '../base/errors.ts';
import type { Section } from '../report/content.ts';
import { checkReport } from '../report/report-files.ts';
import type { ExperimentRecord, RunRecord } from '../report/run-record.ts';
import { reportOf } from '../report/run-report.ts';
import type { Training } from '../report/training.ts';
import { writeLine } from './io.ts';
import { type PlannedExperiment, setupOf } from './plan.ts';
import { describeError } from './report-error.ts';
import type { RunSession } from './run-session.ts';

/**
 * Runs the experiments of a session one after the other, and sets the status of its record. Ends early if the signal aborts.
 * @returns the error that ended the run; undefined if it finished or was interrupted
 */
export async function runExperiments(session: RunSession): Promise<unknown> {
  const { plan, record, signal, save } = session;
  try {
    save();
    for (const planned of plan.experiments) {
      if (signal.aborted || !(await runExperiment(session, planned))) break;
    }
    record.status = record.rows.every(({ status }) => status === 'finished') ? 'finished' : 'interrupted';
    return undefined;
  } catch (error) {
    return error;
  }
}

/** @returns whether it finished; false if it was interrupted. @throws errors of the experiment */
async function runExperiment(session: RunSession, planned: PlannedExperiment): Promise<boolean> {
  const { plan, record, contexts, text, signal, save } = session;
  const { experiment, initialRecord, record: current } = planned;
  const { summary } = plan.target;
  const before = { ...current };
  Object.assign(current, structuredClone(initialRecord), { status: 'running' });
  if (plan.experiments.length > 1) writeLine(text, `\n${current.id}: ${current.title}`);
  try {
    const isReduced = current.reduced.length > 0; // checked before the run, which adds its own notes
    const sectionsOfRun = await experiment.run(contexts.create(setupOf(planned, current, record.request)));
    const isQuick = isQuickRun(record, current);
    const sections = isReduced ? sectionsOfRun.map((section) => removeReasons(section, isQuick)) : sectionsOfRun;
    const report = reportOf({ ...record, rows: [{ ...current, sections, status: 'finished' }] });
    current.sections = checkReport(report).sections;
    current.status = 'finished';
    if (summary) record.summary = summary(finishedTrainings(record), { likeForLike: !isQuick });
    return true;
  } catch (error) {
    if (error instanceof AbortedError && signal.aborted) {
      // An experiment that an earlier session finished stays finished.
      Object.assign(current, before.status === 'finished' ? before : { status: 'interrupted' });
      return false;
    }
    current.status = 'failed';
    current.error = describeError(error);
    throw error;
  } finally {
    save();
  }
}

const finishedTrainings = ({ trainings }: RunRecord): Training[] =>
  trainings.filter(({ status }) => status === 'finished').map((entry) => ({ ...entry, measured: [] }));

/** Whether an experiment only shows that it runs: at the smoke scale, or on the sample in the repository. */
export const isQuickRun = (
  { request, data }: Pick<RunRecord, 'request' | 'data'>,
  { datasets }: Pick<ExperimentRecord, 'datasets'>,
): boolean => request.scale === 'smoke' || datasets.some((name) => data[name]!.kind === 'sample');

/**
 * Removes the reasons for differences from a section: fewer data or epochs than published explain them.
 * @param isQuick whether the results are not comparable at all, so that no difference is marked
 */
export const removeReasons = ({ title, blocks }: Section, isQuick: boolean): Section => ({
  title,
  blocks: blocks.map((block) =>
    block.type === 'comparison'
      ? { ...block, rows: block.rows.map(({ why: _, ...row }) => (isQuick ? { ...row, likeForLike: false } : row)) }
      : block,
  ),
});
