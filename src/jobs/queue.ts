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

/** How often pending jobs are looked at, in case an event was missed or the server lost its data. */
const POLL_MS = 2000;
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
  print?: (text: string) => void;
  /** After how many seconds without a sign of its worker a job is given to another; default 30. Workers have their own. */
  stallSeconds?: number;
}

/** The coordinator's side of a queue: hands out computations and waits for their results. */
export class JobQueue {
  private readonly queues = new Map<string, Promise<BullQueue>>();
  /** Those of them that are open. */
  private readonly opened = new Set<BullQueue>();
  private readonly timer: NodeJS.Timeout;
  private readonly watch: Watch;
  private isLooking = false;
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

  /** @throws ArgumentError for an address that is none; QueueError, within seconds, if the server cannot be reached or refuses */
  static async open(options: QueueOptions): Promise<JobQueue> {
    checkOptions('openQueue', options, { url: 0, env: 0, print: 0, stallSeconds: 0 });
    const { url, env = process.env, print = () => {}, stallSeconds = STALL_SECONDS } = options;
    const address = parseAddress(url, env);
    stallTimes(stallSeconds);
    return new JobQueue(address.text, await connect(address, print), stallSeconds, print);
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
    const own = await this.queueFor(needs.data);
    const plain: unknown = JSON.parse(JSON.stringify(payload ?? null));
    const result = await own.run({ id, kind: kind.name, payload: plain, files, keyDecides }, signal);
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
      printed: () => own.printedLines(id),
    };
  }

  private queueFor(all: Needs): Promise<BullQueue> {
    const name = queueName(all);
    const known = this.queues.get(name) ?? BullQueue.open(this.client, all, this.stallSeconds);
    this.queues.set(name, known);
    known.then(
      (one) => this.opened.add(one),
      () => this.queues.delete(name),
    );
    return known;
  }

  /** Looks at everything that is pending. */
  private async poll(): Promise<void> {
    if (this.isLooking || this.client.status !== 'ready') return;
    this.isLooking = true;
    try {
      for (const one of [...this.opened]) {
        if (!one.isEmpty) await one.pollPending();
        if (!one.isEmpty) await this.watch.check(one.name);
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
    for (const one of this.opened) {
      const counts = await one.counts();
      for (const state of Object.keys(sum) as (keyof typeof sum)[]) sum[state] += counts[state] ?? 0;
    }
    return sum;
  }

  /** Ends all connections. Jobs stay in the queue, results are kept for a day. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.timer);
    for (const one of this.opened.values()) await one.close();
    disconnectAll(this.client);
  }
}

/** Connects to a queue. @throws ArgumentError for an address that is none; QueueError, within seconds, if the server cannot be reached or refuses */
export const openQueue = (options: QueueOptions): Promise<JobQueue> => JobQueue.open(options);

function fileOf(files: Attachments, name: string): Attachments[string] {
  const file = Object.hasOwn(files, name) ? files[name] : undefined;
  if (file) return file;
  throw new ArgumentError(
    `queue: there is no attachment ${name}; there are ${Object.keys(files).join(', ') || 'none'}`,
  );
}
