import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Checkpoint } from '../applications/checkpoints.ts';
import { DeviceLostError } from '../base/errors.ts';
import type { Dataset } from '../data/types.ts';
import { CannotDo, type Handler, handler, type JobContext, WorkerBroken } from '../jobs/handler.ts';
import type { Tuning } from '../tuner/load.ts';
import type { Engine, EngineDevice } from './engine.ts';
import type { Experiment } from './experiment.ts';
import { ExperimentContexts, type ResultExecutor } from './experiment-contexts.ts';
import {
  EXPERIMENT_JOB_KIND,
  type ExperimentJob,
  experimentJob,
  experimentJobResult,
  readFiles,
  resultAttachment,
  WEIGHTS_ATTACHMENT,
  writeFiles,
} from './experiment-job.ts';
import type { RequestedTrial } from './experiment-search.ts';
import { type Io, type OutputStream, writeLine } from './io.ts';
import { loadDatasets, planExperiment, setupOf } from './plan.ts';
import { Progress } from './progress.ts';
import { newRecord } from './record.ts';
import { findWeights, type WeightFile } from './weights.ts';

/** A row that has not come to the part asked for after so long, with nothing else to do, never will. */
const IDLE_TIMEOUT_MS = 120_000;

/** What a worker has for rows. */
export interface ExperimentWorkerTools {
  experiments: readonly Experiment[];
  engine: Engine;
  device: EngineDevice;
  tuning: Tuning;
  io: Io;
  /** The worker's name. */
  name: string;
  adapter: string;
  /** The folder given as `--data`. */
  data?: string | undefined;
}

/** Does parts of rows: runs the row with a lab that gives it what was computed before, computes the part asked for, and stops there. */
export function experimentHandler(tools: ExperimentWorkerTools): Handler {
  const loaded = new Map<string, Dataset>();
  const weights = new Map<Checkpoint, WeightFile[]>();
  return handler({
    ...{ kind: EXPERIMENT_JOB_KIND.name, payload: experimentJob, result: experimentJobResult },
    async run(job, context) {
      const experiment = tools.experiments.find(({ id }) => id === job.row);
      if (!experiment) throw new CannotDo(`there is no experiment ${job.row} here`);
      for (const name of experiment.datasets) {
        if (loaded.has(name)) continue;
        const [dataset] = (
          await loadDatasets([{ ...experiment, datasets: [name] }], tools.data, tools.engine)
        ).values();
        loaded.set(name, dataset!);
      }
      const { checkpoint } = experiment;
      if (checkpoint && !weights.has(checkpoint)) {
        weights.set(checkpoint, (await findWeights([experiment], tools.engine, tools.io)).get(checkpoint)!);
      }
      const folder = mkdtempSync(join(tmpdir(), 'tilegrad-worker-'));
      try {
        return await computeResult(tools, experiment, job, context, folder, { loaded, weights });
      } catch (error) {
        throw error instanceof DeviceLostError ? new WorkerBroken(error) : error;
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  });
}

async function computeResult(
  tools: ExperimentWorkerTools,
  experiment: Experiment,
  job: ExperimentJob,
  context: JobContext,
  folder: string,
  have: { loaded: ReadonlyMap<string, Dataset>; weights: ReadonlyMap<Checkpoint, WeightFile[]> },
) {
  const { engine, device, tuning, io, name, adapter } = tools;
  const { request } = job;
  const given = await writeFiles(folder, context.fileNames, context.file);
  const datasets = new Map(experiment.datasets.map((one) => [one, have.loaded.get(one)!]));
  const weightFiles = experiment.checkpoint ? have.weights.get(experiment.checkpoint)! : [];
  const paths = weightFiles.map(({ path }) => path);
  const planned = planExperiment(experiment, request, datasets, paths);
  const { title, question } = experiment;
  const record = newRecord({
    ...{ title, question, request, rows: [planned.record], trainings: [], datasets: datasets.values() },
    ...{ weights: weightFiles, device, tuning, startedAt: new Date() },
  });
  // What a job prints is shown here, and kept with it.
  const lines: OutputStream = {
    write: (text: string) => {
      io.stdout.write(text);
      for (const one of text.trim().split('\n')) context.print(one);
    },
  };
  const asked = new RequestedResult(job, context);
  const labs = new ExperimentContexts({
    ...{ engine, device, folder, datasets, record, signal: context.signal, executor: asked },
    worker: `${name} (${adapter})`,
    progress: new Progress(lines, lines),
    print: (text) => writeLine(lines, text),
    save: () => {},
  });
  try {
    const lab = labs.create(setupOf(planned, planned.record, request));
    const ended = experiment.run(lab).then(() => {
      throw new CannotDo(`${job.row} ends here without ${job.name}: its code is another`);
    });
    const value = await Promise.race([asked.computed, ended]);
    const weights: Record<string, Uint8Array> = asked.weights ? { [WEIGHTS_ATTACHMENT]: asked.weights } : {};
    return { value, files: { ...readFiles(folder, undefined, given), ...weights } };
  } finally {
    asked.dispose();
    labs.dispose();
  }
}

/** Gives a row what was computed before, computes the part that is asked for, and lets everything else wait for ever. */
class RequestedResult implements ResultExecutor {
  readonly computed: Promise<{ value: unknown; seconds: number }>;
  /** Of a trial. */
  readonly requestedTrial: RequestedTrial | undefined;
  /** Those that the trial ends with. */
  weights: Uint8Array | null = null;
  private resolve!: (value: { value: unknown; seconds: number }) => void;
  private reject!: (error: unknown) => void;
  private timer: NodeJS.Timeout | undefined;
  private hasBegun = false;

  constructor(
    private readonly job: ExperimentJob,
    private readonly context: JobContext,
  ) {
    this.computed = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.computed.catch(() => {}); // the row may have failed before
    if (!job.trial) return;
    this.requestedTrial = {
      description: job.trial,
      weights: async () => (context.fileNames.includes(WEIGHTS_ATTACHMENT) ? context.file(WEIGHTS_ATTACHMENT) : null),
      onWeights: (weights) => {
        this.weights = weights;
      },
    };
  }

  async execute({ row, name, hash }: { row: string; name: string; hash: string }, compute: () => Promise<unknown>) {
    const { job, context } = this;
    if (name === job.name) {
      if (hash !== job.hash) {
        throw new CannotDo(
          `the key of ${name} comes out as ${hash} here, not as ${job.hash}: the code of ${row} is another`,
        );
      }
      this.hasBegun = true;
      const begun = performance.now();
      const value = await compute();
      this.resolve({ value, seconds: (performance.now() - begun) / 1000 });
    } else {
      const attachment = resultAttachment(name, hash);
      if (context.fileNames.includes(attachment)) {
        const value: unknown = JSON.parse(Buffer.from(await context.file(attachment)).toString());
        return { value, seconds: 0 };
      }
      this.timer ??= setTimeout(() => {
        if (!this.hasBegun) this.reject(new CannotDo(`${row} does not come to ${job.name} here: it waits for ${name}`));
      }, IDLE_TIMEOUT_MS);
    }
    return new Promise<never>(() => {});
  }

  onCached(): void {}

  isFetched(): boolean {
    return true; // says nothing of parts that are done already
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}
