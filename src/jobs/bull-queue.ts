import type { EventEmitter } from 'node:events';
import type { Queue, QueueEvents, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { z } from 'zod';
import { AbortedError, ArgumentError, TilegradError } from '../base/errors.ts';
import { importPackage } from '../base/import-package.ts';
import { KEEP_RESULTS_S, putFiles } from './files.ts';
import { outcomeOf } from './outcome.ts';
import { type announcement, jobData, type jobResult, keys, type Needs, PREFIX, queueName } from './records.ts';
import { retryOnReconnect } from './retry-on-reconnect.ts';
import { MAX_STALLS, stallTimes } from './stall.ts';

/** Pending jobs that one poll checks. */
const MAX_CHECKED_JOBS = 200;

export type JobResult = z.infer<typeof jobResult>;

/** A job to put into a queue. */
export interface NewJob {
  id: string;
  kind: string;
  payload: unknown;
  files: Readonly<Record<string, Uint8Array>>;
  /** See `RunJobOptions`. */
  keyDecides: boolean;
}

interface Pending {
  data: z.infer<typeof jobData>;
  kind: string;
  settle(finished: JobResult | Error): void;
  promise: Promise<JobResult>;
  /** Number of calls that wait for it. */
  waiting: number;
  /** Whether it is being put into the queue or checked. */
  isBusy: boolean;
  /** Whether no call waits for it any more. */
  isCancelled: boolean;
}

/** The coordinator's end of one queue of BullMQ: jobs with the same needs. */
export class BullQueue {
  private readonly pending = new Map<string, Pending>();
  /** Index of the pending job with which the next poll begins. */
  private nextToPoll = 0;

  private constructor(
    readonly name: string,
    private readonly needs: Needs,
    private readonly client: Redis,
    private readonly queue: Queue,
    private readonly events: QueueEvents,
    /** Finds jobs whose workers are gone; runs no jobs. */
    private readonly checker: Worker,
  ) {
    events.on('completed', ({ jobId }) => void this.settleIfDone(jobId));
    events.on('failed', ({ jobId }) => void this.settleIfDone(jobId));
  }

  static async open(client: Redis, needs: Needs, stallSeconds: number): Promise<BullQueue> {
    const bullmq = await importPackage('bullmq', 'a queue of jobs', () => import('bullmq'));
    const name = queueName(needs);
    const { lockMs, checkMs } = stallTimes(stallSeconds);
    const options = { connection: client, prefix: PREFIX };
    const queue = new bullmq.Queue(name, options);
    const events = new bullmq.QueueEvents(name, { ...options, connection: client.duplicate() });
    const checker = new bullmq.Worker(name, null, {
      ...options,
      ...{ autorun: false, lockDuration: lockMs, stalledInterval: checkMs, maxStalledCount: MAX_STALLS },
    });
    // `connect` reports a lost connection, once.
    for (const emitter of [queue, events, checker] as EventEmitter[]) emitter.on('error', () => {});
    await events.waitUntilReady();
    await checker.startStalledCheckTimer();
    const bullQueue = new BullQueue(name, needs, client, queue, events, checker);
    await bullQueue.announce();
    return bullQueue;
  }

  get isEmpty(): boolean {
    return this.pending.size === 0;
  }

  /** Announces the queue, so that workers find it. */
  private async announce(): Promise<void> {
    const text = JSON.stringify({ needs: this.needs, at: Date.now() } satisfies z.infer<typeof announcement>);
    await this.client.hset(keys.queues, this.name, text);
  }

  /** Waits for a job's result. @throws JobError, DataError; ArgumentError if another computation has its id; AbortedError */
  async run(job: NewJob, signal: AbortSignal | undefined): Promise<JobResult> {
    const pending = this.pending.get(job.id) ?? this.begin(job);
    if (!job.keyDecides) checkSamePayload(job.id, pending.data.payload, job.payload);
    pending.waiting++;
    let onAbort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(new AbortedError(`${job.id}: stopped on request`));
      signal?.addEventListener('abort', onAbort);
    });
    try {
      return await Promise.race([pending.promise, aborted]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      pending.waiting--;
      if (signal?.aborted && pending.waiting === 0) await this.cancel(job.id, pending);
    }
  }

  /** Puts a job into the queue, or finds the one that is there. */
  private begin({ id, kind, payload, files, keyDecides }: NewJob): Pending {
    let [resolve, reject]: [(value: JobResult) => void, (error: Error) => void] = [() => {}, () => {}];
    const promise = new Promise<JobResult>((...both) => {
      [resolve, reject] = both;
    });
    promise.catch(() => {}); // each waiting call gets the error
    const pending: Pending = {
      ...{ data: { payload, files: {} }, kind, promise, waiting: 0, isBusy: true, isCancelled: false },
      settle: (finished) => {
        if (this.pending.get(id) === pending) this.pending.delete(id);
        if (finished instanceof Error) reject(finished);
        else resolve(finished);
      },
    };
    this.pending.set(id, pending);
    const submit = async () => {
      if (this.pending.get(id) !== pending) return; // no call waits for it any more
      pending.data.files = await putFiles(this.client, files);
      const existing = await this.queue.getJob(id);
      if (existing && (await existing.isFailed())) await existing.remove();
      else if (existing && !keyDecides) checkSamePayload(id, jobData.safeParse(existing.data).data?.payload, payload);
      await this.add(id, pending);
      if (pending.isCancelled) await this.queue.remove(id);
      pending.isBusy = false;
      await this.settleIfDone(id); // it may be done already
    };
    retryOnReconnect(submit).catch((error) =>
      pending.settle(error instanceof Error ? error : new Error(String(error))),
    );
    return pending;
  }

  private async add(id: string, { kind, data }: Pending): Promise<void> {
    const keep = { age: KEEP_RESULTS_S };
    // Does nothing if there is a job of that id.
    await this.queue.add(kind, data, { jobId: id, removeOnComplete: keep, removeOnFail: keep, keepLogs: 1000 });
  }

  /** Removes a job that no call waits for from the queue. One that is running stays, and its result is saved. */
  private async cancel(id: string, pending: Pending): Promise<void> {
    pending.isCancelled = true;
    if (this.pending.get(id) !== pending) return;
    this.pending.delete(id);
    // Without a connection, the command would wait for one.
    if (this.client.status === 'ready') await this.queue.remove(id).catch(() => {});
  }

  /** Ends the wait for a pending job if it is finished. */
  private async settleIfDone(id: string): Promise<void> {
    const pending = this.pending.get(id);
    if (!pending || pending.isBusy) return;
    pending.isBusy = true;
    try {
      const state = await this.queue.getJobState(id);
      // The server may have lost its data, or another coordinator may have removed the job.
      if (state === 'unknown' && !pending.isCancelled) await this.add(id, pending);
      if (state !== 'completed' && state !== 'failed') return;
      const job = await this.queue.getJob(id); // read after the state: an earlier read may show the job while it was running
      if (job) pending.settle(await outcomeOf(this.queue, job, state));
    } catch (error) {
      if (error instanceof TilegradError) pending.settle(error);
      // otherwise the connection was cut, and the next poll checks again
    } finally {
      pending.isBusy = false;
    }
  }

  /** Checks some of the pending jobs, in case an event was missed. */
  async pollPending(): Promise<void> {
    await this.announce();
    const ids = [...this.pending.keys()];
    const from = this.nextToPoll < ids.length ? this.nextToPoll : 0;
    this.nextToPoll = from + MAX_CHECKED_JOBS;
    for (const id of ids.slice(from, this.nextToPoll)) await this.settleIfDone(id);
  }

  counts() {
    return this.queue.getJobCounts('waiting', 'active', 'completed', 'failed');
  }

  async readPrintedLines(id: string): Promise<string[]> {
    return (await this.queue.getJobLogs(id)).logs;
  }

  async close(): Promise<void> {
    for (const [id, pending] of this.pending) pending.settle(new AbortedError(`${id}: the queue was closed`));
    const isConnected = this.client.status === 'ready';
    if (isConnected) await this.withdraw().catch(() => {});
    const closing = [this.checker.close(true), this.events.close(), this.queue.close()].map((closed) =>
      closed.catch(() => {}),
    );
    if (isConnected) await Promise.all(closing); // without a connection they would wait for the server
  }

  /** Removes the announcement if the queue is empty, because workers check every announced queue. */
  private async withdraw(): Promise<void> {
    const { waiting = 0, active = 0 } = await this.counts();
    if (waiting + active === 0) await this.client.hdel(keys.queues, this.name);
  }
}

/** @throws ArgumentError if two computations have the same id */
function checkSamePayload(id: string, existing: unknown, requested: unknown): void {
  const [existingJson = '', requestedJson = ''] = [existing, requested].map((payload) => JSON.stringify(payload));
  if (existingJson === requestedJson) return;
  throw new ArgumentError(
    `queue: two different computations are called ${id}: ${existingJson.slice(0, 200)} and ${requestedJson.slice(0, 200)}; give them different keys`,
  );
}
