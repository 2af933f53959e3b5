import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Checkpoint } from '../applications/checkpoints.ts';
import { DeviceLostError } from '../base/errors.ts';
import type { Dataset } from '../data/types.ts';
import { CannotRunJob, defineHandler, type Handler, type JobContext, WorkerBroken } from '../jobs/handler.ts';
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

/** If an experiment waits this long for other results and has not reached the requested one, it never will. */
const IDLE_TIMEOUT_MS = 120_000;

/** What a worker needs to run experiments. */
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

/** Handles experiment jobs: runs the experiment with the attached earlier results, computes the requested one, and stops there. */
export function experimentHandler(tools: ExperimentWorkerTools): Handler {
  const loaded = new Map<string, Dataset>();
  const weights = new Map<Checkpoint, WeightFile[]>();
  return defineHandler({
    ...{ kind: EXPERIMENT_JOB_KIND.name, payload: experimentJob, result: experimentJobResult },
    async run(job, context) {
      const experiment = tools.experiments.find(({ id }) => id === job.row);
      if (!experiment) throw new CannotRunJob(`it has no experiment ${job.row}`);
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
  inputs: { loaded: ReadonlyMap<string, Dataset>; weights: ReadonlyMap<Checkpoint, WeightFile[]> },
) {
  const { engine, device, tuning, io, name, adapter } = tools;
  const { request } = job;
  const attachedPaths = await writeFiles(folder, context.fileNames, context.file);
  const datasets = new Map(experiment.datasets.map((dataset) => [dataset, inputs.loaded.get(dataset)!]));
  const weightFiles = experiment.checkpoint ? inputs.weights.get(experiment.checkpoint)! : [];
  const paths = weightFiles.map(({ path }) => path);
  const planned = planExperiment(experiment, request, datasets, paths);
  const { title, question } = experiment;
  const record = newRecord({
    ...{ title, question, request, rows: [planned.record], trainings: [], datasets: datasets.values() },
    ...{ weights: weightFiles, device, tuning, startedAt: new Date() },
  });
  // The output of a job is printed here, and stored with the job.
  const lines: OutputStream = {
    write: (text: string) => {
      io.stdout.write(text);
      for (const line of text.trim().split('\n')) context.print(line);
    },
  };
  const requested = new RequestedResult(job, context);
  const contexts = new ExperimentContexts({
    ...{ engine, device, folder, datasets, record, signal: context.signal, executor: requested },
    worker: `${name} (${adapter})`,
    progress: new Progress(lines, lines),
    print: (text) => writeLine(lines, text),
    save: () => {},
  });
  try {
    const experimentContext = contexts.create(setupOf(planned, planned.record, request));
    const ended = experiment.run(experimentContext).then(() => {
      throw new CannotRunJob(`${job.row} ends on this worker without ${job.name}: its code differs`);
    });
    const value = await Promise.race([requested.computed, ended]);
    const weights: Record<string, Uint8Array> = requested.weights ? { [WEIGHTS_ATTACHMENT]: requested.weights } : {};
    return { value, files: { ...readFiles(folder, undefined, attachedPaths), ...weights } };
  } finally {
    requested.dispose();
    contexts.dispose();
  }
}

/** Returns attached results, computes the requested one, and lets every other one wait forever. */
class RequestedResult implements ResultExecutor {
  readonly computed: Promise<{ value: unknown; seconds: number }>;
  /** The requested trial, if the result is that of a search. */
  readonly requestedTrial: RequestedTrial | undefined;
  /** Weights at the end of the requested trial. */
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
    this.computed.catch(() => {}); // the experiment may have failed first
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
        throw new CannotRunJob(
          `the key of ${name} is ${hash} on this worker, not ${job.hash}: the code of ${row} differs`,
        );
      }
      this.hasBegun = true;
      const startTime = performance.now();
      const value = await compute();
      this.resolve({ value, seconds: (performance.now() - startTime) / 1000 });
    } else {
      const attachment = resultAttachment(name, hash);
      if (context.fileNames.includes(attachment)) {
        const value: unknown = JSON.parse(Buffer.from(await context.file(attachment)).toString());
        return { value, seconds: 0 };
      }
      this.timer ??= setTimeout(() => {
        if (!this.hasBegun)
          this.reject(new CannotRunJob(`${row} does not reach ${job.name} on this worker: it waits for ${name}`));
      }, IDLE_TIMEOUT_MS);
    }
    return new Promise<never>(() => {});
  }

  onCached(): void {}

  isFetched(): boolean {
    return true; // so that nothing is printed about saved results
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}
