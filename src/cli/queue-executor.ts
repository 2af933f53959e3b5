import { createHash } from 'node:crypto';
import { AbortedError, JobError } from '../base/errors.ts';
import type { JobQueue } from '../jobs/queue.ts';
import type { Needs, WorkerInfo } from '../jobs/records.ts';
import { duration } from '../report/format.ts';
import type { RunRequest } from '../report/run-record.ts';
import { trial } from '../search/record.ts';
import { failedTrial } from '../search/run-trial.ts';
import type { TrialDescription, TrialResult, TrialRunner, TrialRunOptions } from '../search/trial.ts';
import { ExperimentContexts, type ResultExecutor, type RunContext } from './experiment-contexts.ts';
import {
  EXPERIMENT_JOB_KIND,
  type ExperimentJob,
  MAX_QUEUED_JOBS,
  readFiles,
  resultAttachment,
  WEIGHTS_ATTACHMENT,
  writeFiles,
} from './experiment-job.ts';
import { hashOf } from './fingerprint.ts';
import { type PlannedExperiment, setupOf } from './plan.ts';

interface QueueExecutorOptions {
  queue: JobQueue;
  request: RunRequest;
  /** Needs by the id of the experiment. */
  needs: ReadonlyMap<string, Needs>;
  folder: string;
  signal: AbortSignal;
  print(text: string): void;
}

type ComputedResult = { value: unknown; seconds: number };

/** Computes results as jobs of a queue, under the names and hashes that they have in the run's folder. */
class QueueExecutor implements ResultExecutor {
  private readonly requests = new Map<string, Promise<ComputedResult>>();
  private readonly fetched = new Set<string>();
  private readonly workers = new Set<string>();
  /** Results by experiment, as attachments of its next jobs. */
  private readonly attachments = new Map<string, Map<string, Uint8Array>>();

  constructor(private readonly options: QueueExecutorOptions) {}

  isFetched(name: string): boolean {
    return this.fetched.has(name);
  }

  onCached(row: string, name: string, hash: string, value: unknown): void {
    const attached = this.attachments.get(row) ?? new Map<string, Uint8Array>();
    attached.set(resultAttachment(name, hash), Buffer.from(JSON.stringify(value ?? null)));
    this.attachments.set(row, attached);
  }

  async execute(requested: { row: string; name: string; hash: string }): Promise<ComputedResult> {
    const { row, name, hash } = requested;
    const key = `${name}-${hash}`;
    const computing = this.requests.get(key) ?? this.request(key, requested);
    this.requests.set(key, computing); // experiments that share a result request it once
    const computed = await computing;
    this.onCached(row, name, hash, computed.value);
    return computed;
  }

  createTrialRunner(requested: { row: string; name: string; hash: string }): TrialRunner {
    return {
      concurrency: MAX_QUEUED_JOBS,
      run: (description, options) => this.runTrial(requested, description, options),
    };
  }

  private async runTrial(
    { row, name, hash }: { row: string; name: string; hash: string },
    description: TrialDescription,
    { weights, signal }: TrialRunOptions,
  ): Promise<TrialResult> {
    const { queue, request, needs, print } = this.options;
    const { data: _, ...rest } = request;
    const start = weights ? createHash('sha256').update(weights).digest('hex') : null;
    const key = `${name}-${hash}-${description.number}-${hashOf([description, start])}`;
    const job: ExperimentJob = { row, request: rest, name, hash, trial: description };
    const files = {
      ...Object.fromEntries(this.attachments.get(row) ?? []),
      ...(weights ? { [WEIGHTS_ATTACHMENT]: weights } : {}),
    };
    try {
      const finished = await queue.run(EXPERIMENT_JOB_KIND, key, job, {
        needs: needs.get(row)!,
        files,
        signal,
        keyDecides: true,
      });
      const { worker } = finished;
      this.announceWorker(worker);
      this.fetched.add(name);
      print(`${row}: trial ${description.number} of ${name} came from worker ${worker.name}`);
      return {
        trial: { ...trial.parse(finished.value.value), worker: worker.name },
        weights: finished.fileNames.includes(WEIGHTS_ATTACHMENT) ? await finished.file(WEIGHTS_ATTACHMENT) : null,
      };
    } catch (error) {
      // For example because every worker runs out of memory: the search continues without it.
      if (error instanceof JobError) return { trial: failedTrial(description, error), weights: null };
      throw error;
    }
  }

  /** Prints a worker's adapter once. */
  private announceWorker({ id, name, adapter }: WorkerInfo): void {
    if (this.workers.has(id)) return;
    this.workers.add(id);
    this.options.print(`Worker ${name} has ${adapter}`);
  }

  private async request(
    key: string,
    { row, name, hash }: { row: string; name: string; hash: string },
  ): Promise<ComputedResult> {
    const { queue, request, needs, folder, signal, print } = this.options;
    const { data: _, ...rest } = request; // a folder of this machine
    const job: ExperimentJob = { row, request: rest, name, hash };
    const files = { ...Object.fromEntries(this.attachments.get(row) ?? []), ...readFiles(folder, ['weights']) };
    print(`${row}: ${name} is in the queue`);
    // Another experiment may request the same result: the hash decides it, not the experiment.
    const finished = await queue.run(EXPERIMENT_JOB_KIND, key, job, {
      needs: needs.get(row)!,
      files,
      signal,
      keyDecides: true,
    });
    await writeFiles(folder, finished.fileNames, finished.file);
    this.fetched.add(name);
    const { worker, value } = finished;
    this.announceWorker(worker);
    print(`${row}: ${name} came from worker ${worker.name}, ${duration(value.seconds)}`);
    return { value: value.value, seconds: value.seconds };
  }
}

/**
 * Requests all results of all experiments from the workers, in parallel, and saves them in the run's folder. The experiments then run one
 * after the other on the saved results, as in a resumed run.
 * @returns an executor for that second pass, which throws the errors of the results that are missing
 */
export async function fetchResults(
  context: RunContext,
  planned: readonly PlannedExperiment[],
  options: QueueExecutorOptions,
): Promise<ResultExecutor> {
  const executor = new QueueExecutor(options);
  // This record is discarded: the second pass writes the real one.
  const record = { ...context.record, trainings: [] };
  const contexts = new ExperimentContexts({ ...context, record, executor, print: () => {}, save: () => {} });
  const failures = new Map<string, unknown>();
  try {
    await Promise.all(
      planned.map(async (entry) => {
        const { experiment, initialRecord } = entry;
        const experimentContext = contexts.create(setupOf(entry, structuredClone(initialRecord), options.request));
        await experiment.run(experimentContext).catch((error: unknown) => failures.set(experiment.id, error));
      }),
    );
  } finally {
    contexts.dispose();
  }
  return {
    isFetched: (name) => executor.isFetched(name),
    onCached: () => {},
    execute: async ({ row, name }) => {
      throw failures.get(row) ?? new AbortedError(`${name}: stopped on request`);
    },
  };
}
