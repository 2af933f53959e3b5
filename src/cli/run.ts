import { join } from 'node:path';
import { AbortedError, UsageError } from '../errors.ts';
import { adapterText, count, duration, tuningText } from '../report/format.ts';
import { profileTable } from '../report/profile.ts';
import { checkReport, writeReport } from '../report/report-files.ts';
import { checkWritable, createRunFolder, writeAtomically } from '../report/run-folder.ts';
import { type RunRecord, summarise, type TrainedModel } from '../report/run-record.ts';
import { reportOf } from '../report/run-report.ts';
import { resultsText } from '../report/text.ts';
import { chromeTrace } from '../report/trace.ts';
import type { Profile } from '../tuner/profile.ts';
import type { Engine, EngineLoader, EngineModel } from './engine.ts';
import type { Experiment, TrainingSettings } from './experiment.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type Io, json, line, type OutputStream } from './io.ts';
import { type RunOptions, settingsFor } from './options.ts';
import { Progress } from './progress.ts';
import { newRecord, sourceText, tuningRecord } from './record.ts';
import { describeError } from './report-error.ts';

/** A run under way: what its steps share. */
interface Session {
  experiment: Experiment;
  settings: TrainingSettings;
  record: RunRecord;
  train: EngineLoader;
  test: EngineLoader;
  /** Text for people: stdout, or stderr when stdout is for JSON. */
  text: OutputStream;
  progress: Progress;
  signal: AbortSignal;
  /** Brings `run.json` up to date. */
  save(): void;
}

interface BuiltModel {
  model: EngineModel;
  buildSeconds: number;
}

const since = (start: number) => (performance.now() - start) / 1000;

/**
 * Trains an experiment and leaves a folder with `run.json`, `report.html` and the figures. Everything that can be wrong with the request
 * is found before the folder is made; from then on `run.json` is rewritten after each epoch, so that nothing finished
 * is lost.
 *
 * @throws AbortedError after Ctrl-C, once what was done is written.
 */
export async function runExperiment(
  experiment: Experiment,
  options: RunOptions,
  io: Io,
  engine: Engine,
): Promise<void> {
  const settings = settingsFor(experiment, options);
  const text = options.json ? io.stderr : io.stdout;
  const start = performance.now();
  const startedAt = new Date();
  checkWritable(options.out);
  const dataset = await engine.loadDataset(experiment.dataset, { dir: options.data, limit: options.limit });
  if (settings.batchSize > dataset.train.size) {
    throw new UsageError(
      `a batch of ${settings.batchSize} is larger than the data: ${dataset.train.size} training images ` +
        `(${dataset.source.description}). Use a smaller --batch${options.limit ? ' or a larger --limit' : ''}.`,
    );
  }

  const progress = new Progress(text, io.stderr);
  const interrupt = listenForInterrupt(io, (isFirst) => {
    progress.stop();
    if (isFirst) line(io.stderr, 'Stopping after the current step; press Ctrl-C again to exit at once.');
  });
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  try {
    const device = own(await engine.openDevice({ fineTimestamps: options.profile }));
    const tuning = await engine.loadTuning(device, (message) => line(io.stderr, `Note: ${message}`));
    const train = own(engine.createLoader(device, dataset.train));
    const test = own(engine.createLoader(device, dataset.test));
    const build = (seed: number): BuiltModel => {
      const buildStart = performance.now();
      const model = experiment.createModel();
      model.build(device, { seed });
      return { model, buildSeconds: since(buildStart) };
    };
    const first = build(settings.seed);
    own(first.model);
    const record = newRecord({ experiment, settings, options, dataset, device, tuning, model: first.model, startedAt });

    line(text, `${experiment.id}: ${experiment.title}`);
    line(text, `Adapter: ${adapterText(device.info)}`);
    line(text, `Kernels: ${tuningText(tuning)}`);
    line(text, `Data:    ${sourceText(dataset)}`);
    line(text, `\n${first.model.summary()}\n`);

    const folder = createRunFolder(options.out, experiment.id, startedAt);
    const save = () => {
      record.timings.totalSeconds = since(start);
      record.counters = { ...device.counters };
      record.tuning = tuningRecord(tuning);
      writeAtomically(join(folder, 'run.json'), `${JSON.stringify(record, null, 2)}\n`);
    };
    const session = { experiment, settings, record, train, test, text, progress, signal: interrupt.signal, save };
    const failure = await trainAll(session, first, build).catch((error: unknown) => error);
    progress.stop();
    if (failure !== undefined) {
      record.status = 'failed';
      record.error = describeError(failure);
      line(io.stderr, `What finished before the error is kept in ${folder}`);
    }
    try {
      await close(record, folder, save);
    } catch (error) {
      throw failure ?? error;
    }
    if (failure !== undefined) throw failure;
    const profile =
      options.profile && !record.interrupted ? await profileRun(session, first, folder, engine) : undefined;
    finish(session, folder, options, io, profile);
  } finally {
    interrupt.dispose();
    for (const resource of owned.reverse()) resource.dispose();
  }
}

/** Trains one model after the other; ends early, without an error, when the signal says so. */
async function trainAll(session: Session, first: BuiltModel, build: (seed: number) => BuiltModel): Promise<void> {
  const { settings, record, text, signal, save } = session;
  save();
  for (let index = 0; index < settings.runs && !signal.aborted; index++) {
    const seed = settings.seed + index;
    if (settings.runs > 1) line(text, `${index > 0 ? '\n' : ''}Run ${index + 1} of ${settings.runs}, seed ${seed}`);
    const built = index === 0 ? first : build(seed);
    try {
      await trainOne(session, built, seed);
    } finally {
      // The first one belongs to the caller, who built it.
      if (index > 0) built.model.dispose();
    }
  }
  record.interrupted = record.runs.some((run) => run.interrupted) || record.runs.length < settings.runs;
  record.status = record.interrupted ? 'interrupted' : 'finished';
}

async function trainOne(session: Session, { model, buildSeconds }: BuiltModel, seed: number): Promise<void> {
  const { experiment, settings, record, train, test, progress, signal, save } = session;
  const trained: TrainedModel = {
    seed,
    interrupted: false,
    history: [],
    evaluation: null,
    timings: { buildSeconds, fitSeconds: 0, evaluateSeconds: null },
  };
  record.runs.push(trained);
  const optimizer = experiment.createOptimizer(settings.learningRate);
  model.compile({ optimizer, loss: experiment.loss, metrics: ['accuracy'] });
  const fitStart = performance.now();
  try {
    const history = await model.fit(train, {
      epochs: settings.epochs,
      batchSize: settings.batchSize,
      validationData: test,
      shuffle: true,
      seed,
      callbacks: [
        progress,
        {
          onEpochEnd(logs) {
            trained.history.push({ ...logs, accuracy: logs.accuracy ?? null });
            trained.timings.fitSeconds = since(fitStart);
            save();
          },
        },
      ],
      signal,
    });
    trained.timings.fitSeconds = history.seconds;
    trained.interrupted = history.interrupted;
    if (history.interrupted) return;
    const evaluateStart = performance.now();
    const { loss, accuracy = null } = await model.evaluate(test, { batchSize: settings.batchSize, signal });
    trained.evaluation = { loss, accuracy };
    trained.timings.evaluateSeconds = since(evaluateStart);
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
    trained.interrupted = true;
  }
}

/** Completes the folder: final figures, `run.json`, the report. */
async function close(record: RunRecord, folder: string, save: () => void): Promise<void> {
  record.timings.finishedAt = new Date().toISOString();
  record.results = summarise(record.runs);
  save();
  await writeReport(folder, reportOf(record));
}

/** Profiles a step of the first model, and leaves `profile.json` and a trace for chrome://tracing beside `run.json`. */
async function profileRun(
  { settings, train, text }: Session,
  { model }: BuiltModel,
  folder: string,
  engine: Engine,
): Promise<Profile> {
  line(text, '\nProfiling a training step');
  const profile = await engine.profileStep(model, train, { batchSize: settings.batchSize });
  writeAtomically(join(folder, 'profile.json'), `${JSON.stringify(profile, null, 2)}\n`);
  writeAtomically(join(folder, 'trace.json'), `${JSON.stringify(chromeTrace(profile))}\n`);
  return profile;
}

/** Says how it ended: the comparison for people, the whole record for programs, an AbortedError after Ctrl-C. */
function finish({ record, text }: Session, folder: string, options: RunOptions, io: Io, profile?: Profile): void {
  if (record.interrupted) {
    const last = record.runs.at(-1)?.history.at(-1)?.epoch;
    const where = record.configuration.runs > 1 ? ` of run ${record.runs.length}` : '';
    const when = last === undefined ? `before the end of the first epoch${where}` : `after epoch ${last}${where}`;
    throw new AbortedError(`interrupted ${when}; results kept in ${folder}`);
  }
  if (options.json) {
    json(io.stdout, { folder, ...record, profile });
    return;
  }
  const speeds = record.runs.flatMap((run) => run.history.map((logs) => logs.samplesPerSecond));
  const speed = count(speeds.reduce((sum, value) => sum + value, 0) / speeds.length);
  if (profile) {
    line(text, `\n${profileTable(profile)}`);
    line(text, `Trace for chrome://tracing or ui.perfetto.dev: ${join(folder, 'trace.json')}`);
  }
  line(text, `\n${resultsText(checkReport(reportOf(record)))}`);
  line(text, `\n${duration(record.timings.totalSeconds)} in all, ${speed} samples/s on average. Results in ${folder}`);
  line(text, `Report:  ${join(folder, 'report.html')}`);
}
