import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AbortedError, DataError, FileError, SearchError, UsageError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import { withFileErrors } from '../io/files.ts';
import type { JobQueue } from '../jobs/queue.ts';
import { adapterText, duration } from '../report/format.ts';
import { checkWritable, createRunFolder } from '../report/run-folder.ts';
import type { SearchRecord } from '../search/record.ts';
import { SearchStore } from '../search/store.ts';
import { bestTrials } from '../search/summary.ts';
import type { TrialDescription } from '../search/trial.ts';
import { explainDawnWarnings } from './dawn-warnings.ts';
import type { Engine } from './engine.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type Io, writeJson, writeLine } from './io.ts';
import { Progress } from './progress.ts';
import { RemoteTrials, registerSearch } from './remote-trials.ts';
import { createSearcher, loadSearchModule, prepareSearch, type SearchModule } from './search-module.ts';
import { type SearchReportInfo, writeSearchReport } from './search-report.ts';

export interface SearchCommandOptions {
  out: string;
  /** The search to resume: its folder, or `true` for the newest in `out` of the same name. */
  resume?: string | true;
  seed?: number;
  /** The queue whose workers train the trials: `redis://HOST`. */
  workers?: string;
  json?: boolean;
}

/**
 * `tilegrad search`: runs the search of a module (see `SearchModule`), and writes a folder with `search.json`, each trial, and its weights.
 * The folder is created after the module and its options have been checked.
 *
 * @throws UsageError; AbortedError after Ctrl-C, when the running trial is backed up; SearchError for too many failed trials
 */
export async function search(file: string, options: SearchCommandOptions, io: Io, engine: Engine): Promise<void> {
  const text = options.json ? io.stderr : io.stdout;
  const module = await loadSearchModule(file);
  const resumed = options.resume === undefined ? null : findSearch(module, options.resume, options.out);
  checkWritable(resumed ?? options.out);
  const progress = new Progress(text, io.stderr);
  const interrupt = listenForInterrupt(io, (isFirst) => {
    progress.stop();
    if (isFirst) writeLine(io.stderr, 'Stopping after the current step; press Ctrl-C again to exit at once.');
  });
  let device: Device | undefined;
  let queue: JobQueue | undefined;
  let directory = '';
  const startedAt = new Date();
  let report: ((status: SearchReportInfo['status']) => Promise<unknown>) | undefined;
  try {
    if (options.workers !== undefined) {
      const { openQueue } = await import('../jobs/queue.ts');
      queue = await openQueue({ url: options.workers, env: io.env, print: (message) => writeLine(io.stderr, message) });
    }
    device = (await engine.openDevice()) as Device;
    explainDawnWarnings(device.info, io);
    await engine.loadTuning(device, (message) => writeLine(io.stderr, `Note: ${message}`));
    writeLine(text, `Adapter: ${adapterText(device.info)}`);
    const prepared = await prepareSearch(module, device);
    const runner = queue && (await RemoteTrials.create(queue, await registerSearch(file), prepared));
    if (queue) writeLine(text, `Workers: those of the queue at ${queue.address}`);
    directory = resumed ?? createRunFolder(options.out, `search-${fileName(module.name)}`, new Date());
    const seed = options.seed ?? (resumed === null ? undefined : new SearchStore(resumed).read()?.seed);
    if (seed !== (module.options.seed ?? 0) && seed !== options.seed)
      writeLine(text, `Seed:    ${seed}, with which the search was started`);
    const searcher = createSearcher(module, {
      ...(seed === undefined ? {} : { seed }),
      ...{ directory, device },
      ...(runner ? { runner } : {}),
      onTrialBegin: (trial) => writeLine(text, beginText(trial)),
      onTrialEnd: ({ number, seconds }) => {
        progress.stop();
        writeLine(
          text,
          `${searcher.trialSummary(number)}\n|-Seconds: ${duration(seconds.total)}, ${duration(seconds.setUp)} until the first step was done\n${progressText(searcher.record, module.options as { maxTrials?: number })}\n`,
        );
      },
    });
    writeLine(text, `Search:  ${directory}\n\n${searcher.searchSpaceSummary()}\n`);
    const fit = {
      ...prepared.fit,
      signal: interrupt.signal,
      callbacks: (trial: Parameters<NonNullable<typeof prepared.fit.callbacks>>[0]) => [
        ...(prepared.fit.callbacks?.(trial) ?? []),
        (module.options.together ?? 1) > 1 ? progress.linesOnly(`Trial ${trial.number}  `) : progress,
      ],
    };
    const reportInfo = { file, device, startedAt };
    report = async (status) => {
      if (searcher.record.trials.length > 0)
        await writeSearchReport(directory, searcher.record, { ...reportInfo, status });
    };
    const record = await searcher.search(prepared.data, fit);
    progress.stop();
    await report('finished');
    report = undefined;
    writeLine(text, searcher.resultsSummary());
    if (options.json) writeJson(io.stdout, { directory, best: bestOf(record, directory), ...record });
    else writeLine(text, bestText(record, directory));
  } catch (error) {
    if (resumed === null && directory !== '') removeEmpty(directory);
    // A report of the results so far; its errors must not hide the error that ended the search.
    await report?.(error instanceof AbortedError ? 'interrupted' : 'failed').catch(() => {});
    const resumeText = `\`npx tilegrad search ${file} --resume ${directory}\``;
    if (error instanceof AbortedError) throw new AbortedError(`${error.message}: ${resumeText}`, { cause: error });
    if (error instanceof SearchError) throw new SearchError(`${error.message}: ${resumeText}`, { cause: error });
    throw error;
  } finally {
    progress.stop();
    interrupt.dispose();
    await queue?.close();
    device?.dispose();
  }
}

/** Returns a name with the characters that are allowed in the name of a folder. */
const fileName = (name: unknown): string =>
  String(name)
    .replace(/[^\p{L}\p{N}._ -]+/gu, '-')
    .slice(0, 80);

/** Removes the folder of a search that did not start because its options were wrong. */
function removeEmpty(folder: string): void {
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

const beginText = ({ number, epochs, initialEpoch, from }: TrialDescription): string =>
  `Trial ${number}, epochs ${initialEpoch + 1} to ${epochs}${from === null ? '' : `, from the weights of trial ${from}`}`;

/** Returns the progress of a search and its best trial so far. */
function progressText({ objective, trials }: SearchRecord, { maxTrials }: { maxTrials?: number }): string {
  const [best] = bestTrials(objective, trials);
  const done = `|-Trials done: ${trials.length}${maxTrials === undefined ? '' : ` of ${maxTrials}`}`;
  return best ? `${done}\n|-Best so far: trial ${best.number}, ${objective.name} ${best.score}` : done;
}

/** Returns the best trial and the path of its weights, for programs; null if no trial has a score. */
function bestOf({ objective, trials }: SearchRecord, directory: string) {
  const [best] = bestTrials(objective, trials);
  if (!best) return null;
  const { number, score, values } = best;
  return { number, score, values, weights: new SearchStore(directory).weightsPath(number) };
}

function bestText({ objective, trials }: SearchRecord, directory: string): string {
  const [best] = bestTrials(objective, trials);
  const report = `\nReport:  ${join(directory, 'report.html')}`;
  if (!best) return `${report}\nSaved in ${directory}; no trial has a score.`;
  const weights = new SearchStore(directory).weightsPath(best.number);
  return `${report}\nSaved in ${directory}; the best model is ${weights}, which loadModel('${weights}', device) reads`;
}

/** Returns the folder that `--resume` names. @throws UsageError */
function findSearch({ name }: SearchModule, resume: string | true, out: string): string {
  if (resume !== true) {
    if (existsSync(join(resume, 'search.json'))) return resume;
    throw new UsageError(`--resume ${resume}: there is no search in this folder, as it has no search.json`);
  }
  const names = withFileErrors('read', out, () =>
    existsSync(out) && statSync(out).isDirectory() ? readdirSync(out) : [],
  );
  for (const folder of names
    .sort()
    .reverse()
    .map((entry) => join(out, entry)))
    if (nameOf(folder) === name) return folder;
  throw new UsageError(
    `--resume: there is no search ${name} in ${out}; name its folder, or start one without --resume`,
  );
}

/** Returns the name of the search in a folder; null if there is none that can be read. */
function nameOf(folder: string): string | null {
  if (!existsSync(join(folder, 'search.json'))) return null;
  try {
    return new SearchStore(folder).read()?.name ?? null;
  } catch (error) {
    if (error instanceof DataError || error instanceof FileError) return null; // a damaged search must not prevent resuming another one
    throw error;
  }
}
