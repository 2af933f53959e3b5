import type { EventEmitter } from 'node:events';
import type { Job, Queue, QueueEvents, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { z } from 'zod';
import { checkOptions, checkSignal } from '../check.ts';
import { AbortedError, ArgumentError, DataError, JobError, TilegradError } from '../errors.ts';
import { parseAddress } from './address.ts';
import { connect } from './connection.ts';
import { getFile, KEEP_RESULTS_S, putFiles } from './files.ts';
import {
  type Attachments,
  type announcement,
  issueText,
  jobData,
  jobFailure,
  jobId,
  jobResult,
  keys,
  type Needs,
  needs as needsSchema,
  PREFIX,
  parseRecord,
  queueName,
  type WorkerInfo,
} from './records.ts';
import { MOST_STALLS, STALL_SECONDS, stallTimes } from './stall.ts';
import { Watch } from './watch.ts';

/** How often pending jobs are looked at, in case an event was missed or the server lost its data. */
const LOOK_MS = 2000;
/** Pending jobs that are looked at each time. */
const MOST_LOOKED_AT = 200;
/** Lines of a failed job's output that its error shows. */
const SHOWN_LINES = 20;

/** A kind of jobs, by a name that workers know; its results are checked. */
export interface JobKind<R> {
  /** Small letters and digits. */
  name: string;
  result: z.ZodType<R>;
}

export interface RunJobOptions {
  /** What a worker must have: jobs are never given to a worker that lacks one of these. */
  needs?: Needs;
  /** Binary data by name, of at most 512 MB each. */
  files?: Readonly<Record<string, Uint8Array>>;
  /** Whether payloads under one key may differ, as they do in what does not change the result; default false: that is an error. */
  keyDecides?: boolean;
  /** Stops waiting. A job that no worker has begun is taken out of the queue; one that runs goes on, and its result is kept. */
  signal?: AbortSignal;
}

/** A finished job. */
export interface Finished<R> {
  value: R;
  worker: WorkerInfo;
  /** Wall time on the worker. */
  seconds: number;
  /** Names of the attachments. */
  fileNames: readonly string[];
  /** Reads an attachment. @throws QueueError if it is gone */
  file(name: string): Promise<Uint8Array>;
  /** What the job printed. */
  printed(): Promise<string[]>;
}

export interface QueueOptions {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. */
  url: string;
  /** Where the password is looked for; default `process.env`. */
  env?: Record<string, string | undefined>;
  /** Is told what people should know: lost connections, refused workers, no worker at all. */
  say?: (text: string) => void;
  /** After how many seconds without a sign of its worker a job is given to another; default 30. Workers have their own. */
  stallSeconds?: number;
}

/** Jobs with the same needs. */
interface Room {
  name: string;
  queue: Queue;
  events: QueueEvents;
  eventsClient: Redis;
  /** Looks for jobs whose workers are gone; takes none itself. */
  checker: Worker;
  pending: Map<string, Pending>;
  /** How many of the pending jobs were looked at in this round. */
  lookedAt: number;
}

interface Pending {
  data: z.infer<typeof jobData>;
  kind: string;
  settle(finished: z.infer<typeof jobResult> | Error): void;
  promise: Promise<z.infer<typeof jobResult>>;
  /** Calls of `run` that wait for it. */
  waiting: number;
  isSettling: boolean;
}

/** The coordinator's side of a queue: hands out computations and waits for their results. */
export class JobQueue {
  private readonly rooms = new Map<string, Promise<Room>>();
  private readonly timer: NodeJS.Timeout;
  private readonly watch: Watch;
  private isLooking = false;
  private isClosed = false;

  private constructor(
    /** Without user and password. */
    readonly address: string,
    private readonly client: Redis,
    private readonly stallSeconds: number,
    say: (text: string) => void,
  ) {
    this.watch = new Watch(client, say, `npx tilegrad worker ${address}`);
    this.timer = setInterval(() => void this.look(), LOOK_MS);
  }

  /** @throws ArgumentError for an address that is none; QueueError, within seconds, if the server cannot be reached or refuses */
  static async open(options: QueueOptions): Promise<JobQueue> {
    checkOptions('openQueue', options, { url: 0, env: 0, say: 0, stallSeconds: 0 });
    const { url, env = process.env, say = () => {}, stallSeconds = STALL_SECONDS } = options;
    const address = parseAddress(url, env);
    stallTimes(stallSeconds);
    return new JobQueue(address.text, await connect(address, say), stallSeconds, say);
  }

  /**
   * The result of a computation. It is done once: if the same key was asked for by this or another coordinator within a day, its
   * result is taken over. One that failed is done again when it is asked for again.
   *
   * @param key what names the computation: the same key means the same result
   * @param payload plain JSON
   * @throws JobError if it failed on a worker; DataError for a result that is none of that kind; AbortedError
   */
  async run<R>(kind: JobKind<R>, key: string, payload: unknown, options: RunJobOptions = {}): Promise<Finished<R>> {
    checkOptions('run', options, { needs: 0, files: 0, keyDecides: 0, signal: 0 });
    const { files = {}, keyDecides = false, signal } = options;
    checkSignal('run', signal);
    const id = jobId(kind.name, key);
    const needs = needsSchema.safeParse({ ...options.needs, [`kind ${kind.name}`]: { id: '1', text: '' } });
    if (!needs.success) throw new ArgumentError(`run: needs: ${issueText(needs.error)}`);
    if (this.isClosed) throw new ArgumentError('run: this queue was closed; open it again');
    if (signal?.aborted) throw new AbortedError(`${id}: stopped on request`);
    const room = await this.room(needs.data);
    const plain: unknown = JSON.parse(JSON.stringify(payload ?? null));
    const pending = room.pending.get(id) ?? this.begin(room, id, kind.name, plain, files, keyDecides);
    if (!keyDecides) checkSame(id, pending.data.payload, plain);
    const result = await this.wait(room, id, pending, signal);
    const value = kind.result.safeParse(result.value);
    if (!value.success) {
      throw new DataError(
        `queue: the result of ${id} from worker ${result.worker.name} is none of its kind: ${issueText(value.error)}; its worker may be of another version`,
      );
    }
    return {
      ...{ value: value.data, worker: result.worker, seconds: result.seconds },
      fileNames: Object.keys(result.files),
      file: async (name) => getFile(this.client, name, fileOf(result.files, name)),
      printed: async () => (await room.queue.getJobLogs(id)).logs,
    };
  }

  private room(all: Needs): Promise<Room> {
    const name = queueName(all);
    const known = this.rooms.get(name) ?? this.openRoom(name, all);
    this.rooms.set(name, known);
    return known;
  }

  private async openRoom(name: string, all: Needs): Promise<Room> {
    const bullmq = await import('bullmq');
    const { lockMs, checkMs } = stallTimes(this.stallSeconds);
    const options = { connection: this.client, prefix: PREFIX };
    const queue = new bullmq.Queue(name, options);
    const eventsClient = this.client.duplicate();
    const events = new bullmq.QueueEvents(name, { ...options, connection: eventsClient });
    const checker = new bullmq.Worker(name, null, {
      ...options,
      ...{ autorun: false, lockDuration: lockMs, stalledInterval: checkMs, maxStalledCount: MOST_STALLS },
    });
    // A lost connection is told of once, by `connect`.
    for (const one of [queue, events, eventsClient, checker] as EventEmitter[]) one.on('error', () => {});
    const room: Room = { name, queue, events, eventsClient, checker, pending: new Map(), lookedAt: 0 };
    events.on('completed', ({ jobId: id }) => void this.settle(room, id));
    events.on('failed', ({ jobId: id }) => void this.settle(room, id));
    await events.waitUntilReady();
    await this.announce(name, all);
    this.announced.set(name, all);
    await checker.startStalledCheckTimer();
    return room;
  }
  private readonly announced = new Map<string, Needs>();

  private async announce(name: string, all: Needs): Promise<void> {
    const text = JSON.stringify({ needs: all, at: Date.now() } satisfies z.infer<typeof announcement>);
    await this.client.hset(keys.queues, name, text);
  }

  /** Puts a job into the queue, or finds the one that is there. */
  private begin(
    room: Room,
    id: string,
    kind: string,
    payload: unknown,
    files: Readonly<Record<string, Uint8Array>>,
    keyDecides: boolean,
  ): Pending {
    const { promise, resolve, reject } = withResolvers<z.infer<typeof jobResult>>();
    promise.catch(() => {}); // whoever waits has it too
    const pending: Pending = {
      ...{ data: { payload, files: {} }, kind, promise, waiting: 0, isSettling: true },
      settle: (finished) => {
        room.pending.delete(id);
        if (finished instanceof Error) reject(finished);
        else resolve(finished);
      },
    };
    room.pending.set(id, pending);
    const put = async () => {
      pending.data.files = await putFiles(this.client, files);
      const there = await room.queue.getJob(id);
      if (there && (await there.isFailed())) await there.remove();
      else if (there && !keyDecides) checkSame(id, jobData.safeParse(there.data).data?.payload, payload);
      await this.add(room, id, pending);
      pending.isSettling = false;
      await this.settle(room, id); // it may be done already
    };
    put().catch((error) => pending.settle(error instanceof Error ? error : new Error(String(error))));
    return pending;
  }

  private async add(room: Room, id: string, { kind, data }: Pending): Promise<void> {
    const keep = { age: KEEP_RESULTS_S };
    // Does nothing if there is a job of that id.
    await room.queue.add(kind, data, { jobId: id, removeOnComplete: keep, removeOnFail: keep, keepLogs: 1000 });
  }

  /** Looks whether a pending job is finished, and ends the wait for it. */
  private async settle(room: Room, id: string): Promise<void> {
    const pending = room.pending.get(id);
    if (!pending || pending.isSettling) return;
    pending.isSettling = true;
    try {
      const state = await room.queue.getJobState(id);
      // The server may have lost its data, or another coordinator has taken it out.
      if (state === 'unknown') await this.add(room, id, pending);
      if (state !== 'completed' && state !== 'failed') return;
      const job = await room.queue.getJob(id); // read after its state: what was read before may have been of a job that ran
      if (job) pending.settle(state === 'completed' ? resultOf(job) : await failureOf(room.queue, job));
    } catch (error) {
      if (error instanceof TilegradError) pending.settle(error);
      // else the connection was cut: looked at again
    } finally {
      pending.isSettling = false;
    }
  }

  private async wait(room: Room, id: string, pending: Pending, signal: AbortSignal | undefined) {
    pending.waiting++;
    let onAbort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(new AbortedError(`${id}: stopped on request`));
      signal?.addEventListener('abort', onAbort);
    });
    try {
      return await Promise.race([pending.promise, aborted]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      pending.waiting--;
      if (signal?.aborted && pending.waiting === 0 && room.pending.delete(id)) {
        // Fails for one that a worker is at: its result is kept.
        await room.queue.remove(id).catch(() => {});
      }
    }
  }

  /** Looks at everything that is pending. */
  private async look(): Promise<void> {
    if (this.isLooking || this.client.status !== 'ready') return;
    this.isLooking = true;
    try {
      for (const opened of [...this.rooms.values()]) {
        const room = await opened;
        if (room.pending.size === 0) continue;
        await this.announce(room.name, this.announced.get(room.name)!);
        const ids = [...room.pending.keys()];
        const from = room.lookedAt < ids.length ? room.lookedAt : 0;
        room.lookedAt = from + MOST_LOOKED_AT;
        for (const id of ids.slice(from, room.lookedAt)) await this.settle(room, id);
        if (room.pending.size > 0) await this.watch.look(room.name);
      }
    } catch {
      // the connection was cut: looked at again
    } finally {
      this.isLooking = false;
    }
  }

  /** How many jobs are there for the needs of this coordinator: those that wait, run, are done or failed. */
  async counts(): Promise<{ waiting: number; active: number; completed: number; failed: number }> {
    const sum = { waiting: 0, active: 0, completed: 0, failed: 0 };
    for (const opened of this.rooms.values()) {
      const counts = await (await opened).queue.getJobCounts('waiting', 'active', 'completed', 'failed');
      for (const state of Object.keys(sum) as (keyof typeof sum)[]) sum[state] += counts[state] ?? 0;
    }
    return sum;
  }

  /** Ends all connections. Jobs stay in the queue, results are kept for a day. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.timer);
    const isConnected = this.client.status === 'ready';
    for (const opened of this.rooms.values()) {
      const room = await opened.catch(() => null);
      if (!room) continue;
      for (const [id, pending] of room.pending) pending.settle(new AbortedError(`${id}: the queue was closed`));
      if (isConnected) await this.withdraw(room).catch(() => {});
      await room.checker.close(true).catch(() => {});
      await room.events.close().catch(() => {});
      room.eventsClient.disconnect();
      await room.queue.close().catch(() => {});
    }
    this.client.disconnect();
  }

  /** Workers look at every announced queue: one with nothing to do is taken from the list. */
  private async withdraw({ name, queue }: Room): Promise<void> {
    const { waiting = 0, active = 0 } = await queue.getJobCounts('waiting', 'active');
    if (waiting + active === 0) await this.client.hdel(keys.queues, name);
  }
}

/** Connects to a queue. @throws ArgumentError for an address that is none; QueueError, within seconds, if the server cannot be reached or refuses */
export const openQueue = (options: QueueOptions): Promise<JobQueue> => JobQueue.open(options);

function withResolvers<T>() {
  let [resolve, reject]: [(value: T) => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<T>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}

/** @throws ArgumentError if the same id stands for two computations */
function checkSame(id: string, there: unknown, asked: unknown): void {
  const [one = '', other = ''] = [there, asked].map((payload) => JSON.stringify(payload));
  if (one === other) return;
  throw new ArgumentError(
    `queue: two different computations are called ${id}: ${one.slice(0, 200)} and ${other.slice(0, 200)}; give each a key of its own`,
  );
}

function fileOf(files: Attachments, name: string): Attachments[string] {
  const file = Object.hasOwn(files, name) ? files[name] : undefined;
  if (file) return file;
  throw new ArgumentError(
    `queue: there is no attachment ${name}; there are ${Object.keys(files).join(', ') || 'none'}`,
  );
}

function resultOf(job: Job): z.infer<typeof jobResult> | Error {
  const result = jobResult.safeParse(job.returnvalue);
  if (result.success) return result.data;
  return new DataError(
    `queue: the result of ${job.id} is not one that a worker of tilegrad writes: ${issueText(result.error)}; remove the job, and see who else uses that server`,
  );
}

async function failureOf(queue: Queue, job: Job): Promise<JobError> {
  const failure = parseRecord(jobFailure, job.failedReason);
  const { logs } = await queue.getJobLogs(job.id!);
  const reason = failure
    ? `failed on worker ${failure.worker.name} (${failure.worker.adapter}): ${failure.message}`
    : `failed: ${job.failedReason}`;
  const last = logs.slice(-SHOWN_LINES);
  const printed = last.length > 0 ? `\nThe last it printed:\n${last.join('\n')}` : '';
  return new JobError(`${job.id} ${reason}${printed}`);
}
