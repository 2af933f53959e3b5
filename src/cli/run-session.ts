import { toPrintableLine } from '../base/printable.ts';
import type { JobQueue } from '../jobs/queue.ts';
import { writeRunRecord } from '../report/report-files.ts';
import { createRunFolder } from '../report/run-folder.ts';
import type { RunRecord } from '../report/run-record.ts';
import type { Tuning } from '../tuner/load.ts';
import { explainDawnWarnings } from './dawn-warnings.ts';
import type { Engine, EngineDevice } from './engine.ts';
import { ExperimentContexts, type RunContext } from './experiment-contexts.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type Io, type OutputStream, writeLine } from './io.ts';
import type { RunPlan } from './plan-run.ts';
import { Progress } from './progress.ts';
import { dataRecord, newRecord, tuningRecord } from './record.ts';
import { checkUnchanged } from './resume.ts';
import { lockRun } from './run-lock.ts';
import { secondsSince } from './seconds-since.ts';
import { versions } from './versions.ts';

/** A run in progress: its plan and everything that was opened for it. */
export interface RunSession {
  plan: RunPlan;
  engine: Engine;
  device: EngineDevice;
  tuning: Tuning;
  /** With `--workers`. */
  queue: JobQueue | undefined;
  folder: string;
  record: RunRecord;
  context: RunContext;
  contexts: ExperimentContexts;
  /** Text for people: stdout, or stderr if stdout is for JSON. */
  text: OutputStream;
  progress: Progress;
  signal: AbortSignal;
  /** Updates the record. */
  update(): void;
  /** Writes the record into `run.json`. */
  write(): void;
  /** Updates and writes. */
  save(): void;
  /** Releases everything that was opened. */
  close(): Promise<void>;
}

/**
 * Opens the queue, the device and the folder of a run. Everything that it opened is released if it throws.
 * @param start `performance.now()` at the start of the command
 * @throws QueueError, AdapterError; DataError if a resumed run was started under other conditions; UsageError, FileError
 */
export async function openRun(plan: RunPlan, engine: Engine, io: Io, start: number): Promise<RunSession> {
  const { target, options, request, resumed, experiments, datasets, weights } = plan;
  const text = options.json ? io.stderr : io.stdout;
  const progress = new Progress(text, io.stderr);
  const interrupt = listenForInterrupt(io, (isFirst) => {
    progress.stop();
    if (isFirst) writeLine(io.stderr, 'Stopping after the current step; press Ctrl-C again to exit at once.');
  });
  const { signal } = interrupt;
  let queue: JobQueue | undefined;
  let openedDevice: EngineDevice | undefined;
  let lock: Disposable | undefined;
  let contexts: ExperimentContexts | undefined;
  const close = async () => {
    lock?.[Symbol.dispose]();
    interrupt.dispose();
    await queue?.close();
    contexts?.dispose();
    openedDevice?.dispose();
  };
  try {
    if (options.workers !== undefined) {
      const { openQueue } = await import('../jobs/queue.ts');
      queue = await openQueue({ url: options.workers, env: io.env, print: (message) => writeLine(io.stderr, message) });
    }
    const device = await engine.openDevice({ fineTimestamps: options.profile });
    openedDevice = device;
    explainDawnWarnings(device.info, io);
    const tuning = await engine.loadTuning(device, (message) =>
      writeLine(io.stderr, `Note: ${toPrintableLine(message)}`),
    );
    const weightFiles = [...weights.values()].flat();
    if (resumed) {
      const now = {
        ...{ data: dataRecord(datasets.values()), weights: weightFiles, adapter: device.info },
        ...{ tuning: tuningRecord(tuning), versions: versions(), code: target.code, file: target.file },
      };
      checkUnchanged(resumed, now, options.acceptChanges);
    }
    const startedAt = resumed ? new Date(resumed.record.timings.startedAt) : new Date();
    const record = newRecord({
      ...{ title: target.title, question: target.question, code: target.code, request, startedAt, device, tuning },
      ...{ rows: experiments.map((planned) => planned.record), datasets: datasets.values(), weights: weightFiles },
      // Kept until their experiment runs again, so that none is lost if this session ends early.
      trainings: (resumed?.record.trainings ?? []).filter(({ status }) => status === 'finished'),
    });
    const folder = resumed?.folder ?? createRunFolder(options.out, target.id, startedAt);
    if (!resumed) lock = lockRun(folder);
    const secondsBefore = resumed?.record.timings.totalSeconds ?? 0;
    const update = () => {
      record.timings.totalSeconds = secondsBefore + secondsSince(start);
      record.counters = { ...device.counters };
      record.tuning = tuningRecord(tuning, resumed?.record.tuning);
    };
    const write = () => writeRunRecord(folder, record);
    const save = () => {
      update();
      write();
    };
    const print = (message: string) => writeLine(text, message);
    const context: RunContext = { engine, device, folder, datasets, record, signal, progress, print, save };
    contexts = new ExperimentContexts(context);
    return {
      ...{ plan, engine, device, tuning, queue, folder, record, context, contexts },
      ...{ text, progress, signal, update, write, save, close },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
