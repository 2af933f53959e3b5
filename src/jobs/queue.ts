import type { Redis } from 'ioredis';
import type { z } from 'zod';
import { checkOptions, checkSignal } from '../base/check.ts';
import { AbortedError, ArgumentError, DataError } from '../base/errors.ts';
import { parseAddress } from './address.ts';
import { BullQueue } from './bull-queue.ts';
import { connect, disconnectAll } from './connection.ts';
import { getFile } from './files.ts';
import {
  type Attachments,
  issueText,
  jobId,
  type Needs,
  needs as needsSchema,
  queueName,
  type WorkerInfo,
} from './records.ts';
import { STALL_SECONDS, stallTimes } from './stall.ts';
import { Watch } from './watch.ts';

/** Time between polls of pending jobs, in case an event was missed or the server lost its data. */
const POLL_MS = 2000;

/** A kind of jobs, with the schema of its results. */
export interface JobKind<R> {
  /** Lowercase letters and digits. */
  name: string;
  result: z.ZodType<R>;
}

export interface RunJobOptions {
  /** What a worker must have: a worker that lacks one of these never gets the job. */
  needs?: Needs;
  /** Binary data by name, of at most 512 MB each. */
  files?: Readonly<Record<string, Uint8Array>>;
  /** Whether payloads with the same key may differ, in ways that do not change the result; default: false, an error. */
  keyDecides?: boolean;
  /** Ends the wait. A job that no worker has started is removed from the queue; a running one continues, and its result is saved. */
  signal?: AbortSignal;
}

/** A finished job. */
export interface FinishedJob<R> {
  value: R;
  worker: WorkerInfo;
  /** Wall time on the worker. */
  seconds: number;
  /** Names of the attachments. */
  fileNames: readonly string[];
  /** Reads an attachment. @throws QueueError if it is gone */
  file(name: string): Promise<Uint8Array>;
  /** Reads the lines that the job printed. */
  readPrintedLines(): Promise<string[]>;
}

export interface QueueOptions {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. */
  url: string;
  /** Environment with the password; default: `process.env`. */
  env?: Record<string, string | undefined>;
  /** Called with messages for people: lost connections, refused workers, no worker at all. */
  print?: (text: string) => void;
  /** Seconds without a sign of its worker after which another worker gets a job; default: 30. Workers have the same option. */
  stallSeconds?: number;
}

/** The coordinator's side of a queue: hands out computations and waits for their results. */
export class JobQueue {
  private readonly queues = new Map<string, Promise<BullQueue>>();
  /** The queues that are open. */
  private readonly opened = new Set<BullQueue>();
  private readonly timer: NodeJS.Timeout;
  private readonly watch: Watch;
  private isPolling = false;
  private isClosed = false;

  private constructor(
    /** Without user and password. */
    readonly address: string,
    private readonly client: Redis,
    private readonly stallSeconds: number,
    print: (text: string) => void,
  ) {
    this.watch = new Watch(client, print, `npx tilegrad worker ${address}`);
    this.timer = setInterval(() => void this.poll(), POLL_MS);
  }

  /** @throws ArgumentError for an invalid address; QueueError, within seconds, if the server cannot be reached or refuses */
  static async open(options: QueueOptions): Promise<JobQueue> {
    checkOptions('openQueue', options, { url: 0, env: 0, print: 0, stallSeconds: 0 });
    const { url, env = process.env, print = () => {}, stallSeconds = STALL_SECONDS } = options;
    const address = parseAddress(url, env);
    stallTimes(stallSeconds);
    return new JobQueue(address.text, await connect(address, print), stallSeconds, print);
  }

  /**
   * Returns the result of a computation, which is done once: if this or another coordinator requested the same key within a day, that
   * result is returned. A failed computation is done again at the next request.
   *
   * @param key identifies the computation: the same key means the same result
   * @param payload plain JSON
   * @throws JobError if it failed on a worker; DataError for a result that is not of that kind; AbortedError
   */
  async run<R>(kind: JobKind<R>, key: string, payload: unknown, options: RunJobOptions = {}): Promise<FinishedJob<R>> {
    checkOptions('run', options, { needs: 0, files: 0, keyDecides: 0, signal: 0 });
    const { files = {}, keyDecides = false, signal } = options;
    checkSignal('run', signal);
    const id = jobId(kind.name, key);
    const needs = needsSchema.safeParse({ ...options.needs, [`kind ${kind.name}`]: { id: '1', text: '' } });
    if (!needs.success) throw new ArgumentError(`run: needs: ${issueText(needs.error)}`);
    if (this.isClosed) throw new ArgumentError('run: this queue was closed; open it again');
    if (signal?.aborted) throw new AbortedError(`${id}: stopped on request`);
    const queue = await this.queueFor(needs.data);
    const plainPayload: unknown = JSON.parse(JSON.stringify(payload ?? null));
    const result = await queue.run({ id, kind: kind.name, payload: plainPayload, files, keyDecides }, signal);
    const value = kind.result.safeParse(result.value);
    if (!value.success) {
      throw new DataError(
        `queue: the result of ${id} from worker ${result.worker.name} is not of its kind: ${issueText(value.error)}; its worker may be of another version`,
      );
    }
    return {
      ...{ value: value.data, worker: result.worker, seconds: result.seconds },
      fileNames: Object.keys(result.files),
      file: async (name) => getFile(this.client, name, fileOf(result.files, name)),
      readPrintedLines: () => queue.readPrintedLines(id),
    };
  }

  private queueFor(needs: Needs): Promise<BullQueue> {
    const name = queueName(needs);
    const opening = this.queues.get(name) ?? BullQueue.open(this.client, needs, this.stallSeconds);
    this.queues.set(name, opening);
    opening.then(
      (queue) => this.opened.add(queue),
      () => this.queues.delete(name),
    );
    return opening;
  }

  /** Checks everything that is pending. */
  private async poll(): Promise<void> {
    if (this.isPolling || this.client.status !== 'ready') return;
    this.isPolling = true;
    try {
      for (const queue of [...this.opened]) {
        if (!queue.isEmpty) await queue.pollPending();
        if (!queue.isEmpty) await this.watch.check(queue.name);
      }
    } catch {
      // the connection was cut; the next poll checks again
    } finally {
      this.isPolling = false;
    }
  }

  /** Returns the number of jobs with the needs of this coordinator by state. */
  async counts(): Promise<{ waiting: number; active: number; completed: number; failed: number }> {
    const sum = { waiting: 0, active: 0, completed: 0, failed: 0 };
    for (const queue of this.opened) {
      const counts = await queue.counts();
      for (const state of Object.keys(sum) as (keyof typeof sum)[]) sum[state] += counts[state] ?? 0;
    }
    return sum;
  }

  /** Closes all connections. Jobs stay in the queue, results are saved for a day. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.timer);
    for (const queue of this.opened.values()) await queue.close();
    disconnectAll(this.client);
  }
}

/** Connects to a queue. @throws ArgumentError for an invalid address; QueueError, within seconds, if the server cannot be reached or refuses */
export const openQueue = (options: QueueOptions): Promise<JobQueue> => JobQueue.open(options);

function fileOf(files: Attachments, name: string): Attachments[string] {
  const file = Object.hasOwn(files, name) ? files[name] : undefined;
  if (file) return file;
  throw new ArgumentError(
    `queue: there is no attachment ${name}; there are ${Object.keys(files).join(', ') || 'none'}`,
  );
}
