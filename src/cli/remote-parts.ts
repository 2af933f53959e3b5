import { createHash } from 'node:crypto';
import { AbortedError, JobError } from '../base/errors.ts';
import type { JobQueue } from '../jobs/queue.ts';
import type { Needs, WorkerInfo } from '../jobs/records.ts';
import { duration } from '../report/format.ts';
import type { RunRequest } from '../report/run-record.ts';
import { trial } from '../search/record.ts';
import { failedTrial } from '../search/run-trial.ts';
import type { TrialDescription, TrialResult, TrialRunner, TrialRunOptions } from '../search/trial.ts';
import { hashOf } from './fingerprint.ts';
import { type Bench, type Elsewhere, Labs } from './lab.ts';
import { type Planned, placeOf } from './plan.ts';
import { MOST_JOBS, partAttachment, ROW_KIND, type RowJob, readFiles, WEIGHTS, writeFiles } from './row-job.ts';

interface RemoteOptions {
  queue: JobQueue;
  request: RunRequest;
  /** Of each row. */
  needs: ReadonlyMap<string, Needs>;
  folder: string;
  signal: AbortSignal;
  say(text: string): void;
}

type Computed = { value: unknown; seconds: number };

/** Parts of rows as jobs of a queue: named and keyed as they are in a run's folder. */
class RemoteParts implements Elsewhere {
  private readonly asked = new Map<string, Promise<Computed>>();
  private readonly fetched = new Set<string>();
  private readonly workers = new Set<string>();
  /** What each row has been given, as attachments of what it asks for next. */
  private readonly given = new Map<string, Map<string, Uint8Array>>();

  constructor(private readonly options: RemoteOptions) {}

  isFetched(name: string): boolean {
    return this.fetched.has(name);
  }

  known(row: string, name: string, hash: string, value: unknown): void {
    const given = this.given.get(row) ?? new Map<string, Uint8Array>();
    given.set(partAttachment(name, hash), Buffer.from(JSON.stringify(value ?? null)));
    this.given.set(row, given);
  }

  async part(asked: { row: string; name: string; hash: string }): Promise<Computed> {
    const { row, name, hash } = asked;
    const key = `${name}-${hash}`;
    const known = this.asked.get(key) ?? this.ask(key, asked);
    this.asked.set(key, known); // rows that share a part ask once
    const computed = await known;
    this.known(row, name, hash, computed.value);
    return computed;
  }

  trials(asked: { row: string; name: string; hash: string }): TrialRunner {
    return { concurrency: MOST_JOBS, run: (description, options) => this.askTrial(asked, description, options) };
  }

  private async askTrial(
    { row, name, hash }: { row: string; name: string; hash: string },
    description: TrialDescription,
    { weights, signal }: TrialRunOptions,
  ): Promise<TrialResult> {
    const { queue, request, needs, say } = this.options;
    const { data: _, ...rest } = request;
    const start = weights ? createHash('sha256').update(weights).digest('hex') : null;
    const key = `${name}-${hash}-${description.number}-${hashOf([description, start])}`;
    const job: RowJob = { row, request: rest, name, hash, trial: description };
    const files = { ...Object.fromEntries(this.given.get(row) ?? []), ...(weights ? { [WEIGHTS]: weights } : {}) };
    try {
      const finished = await queue.run(ROW_KIND, key, job, { needs: needs.get(row)!, files, signal, keyDecides: true });
      const { worker } = finished;
      this.greet(worker);
      this.fetched.add(name);
      say(`${row}: trial ${description.number} of ${name} came from worker ${worker.name}`);
      return {
        trial: { ...trial.parse(finished.value.value), worker: worker.name },
        weights: finished.fileNames.includes(WEIGHTS) ? await finished.file(WEIGHTS) : null,
      };
    } catch (error) {
      // Such as one that costs every worker its memory: the search goes on without it.
      if (error instanceof JobError) return { trial: failedTrial(description, error), weights: null };
      throw error;
    }
  }

  /** Says once what a worker has. */
  private greet({ id, name, adapter }: WorkerInfo): void {
    if (this.workers.has(id)) return;
    this.workers.add(id);
    this.options.say(`Worker ${name} has ${adapter}`);
  }

  private async ask(key: string, { row, name, hash }: { row: string; name: string; hash: string }): Promise<Computed> {
    const { queue, request, needs, folder, signal, say } = this.options;
    const { data: _, ...rest } = request; // a folder of this machine
    const job: RowJob = { row, request: rest, name, hash };
    const files = { ...Object.fromEntries(this.given.get(row) ?? []), ...readFiles(folder, ['weights']) };
    say(`${row}: ${name} is in the queue`);
    // Another row may ask for the same part: its hash, not the row, decides the result.
    const finished = await queue.run(ROW_KIND, key, job, { needs: needs.get(row)!, files, signal, keyDecides: true });
    await writeFiles(folder, finished.fileNames, finished.file);
    this.fetched.add(name);
    const { worker, value } = finished;
    this.greet(worker);
    say(`${row}: ${name} came from worker ${worker.name}, ${duration(value.seconds)}`);
    return { value: value.value, seconds: value.seconds };
  }
}

/**
 * Has all parts of all rows computed by workers, the rows side by side, and keeps them in the run's folder, from which the rows are
 * then gone through one after the other as if this machine had done them before.
 * @returns what answers for the parts that are missing then, because they failed
 */
export async function fetchParts(
  bench: Bench,
  planned: readonly Planned[],
  options: RemoteOptions,
): Promise<Elsewhere> {
  const parts = new RemoteParts(options);
  // What is written of it counts for nothing: the rows are gone through again.
  const record = { ...bench.record, trainings: [] };
  const labs = new Labs({ ...bench, record, elsewhere: parts, say: () => {}, save: () => {} });
  const failures = new Map<string, unknown>();
  try {
    await Promise.all(
      planned.map(async (one) => {
        const { experiment, fresh } = one;
        const lab = labs.lab(placeOf(one, structuredClone(fresh), options.request));
        await experiment.run(lab).catch((error: unknown) => failures.set(experiment.id, error));
      }),
    );
  } finally {
    labs.dispose();
  }
  return {
    isFetched: (name) => parts.isFetched(name),
    known: () => {},
    part: async ({ row, name }) => {
      throw failures.get(row) ?? new AbortedError(`${name}: stopped on request`);
    },
  };
}
