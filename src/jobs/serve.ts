import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { checkFunction, checkOptions, checkSignal, checkText, formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { importPackage } from '../base/import-package.ts';
import { parseAddress } from './address.ts';
import { connect, disconnectAll } from './connection.ts';
import type { Handler } from './handler.ts';
import { KeepAlive } from './keep-alive.ts';
import { announcement, type Capability, keys, type Needs, PREFIX, parseRecord, type WorkerInfo } from './records.ts';
import { retryOnReconnect } from './retry-on-reconnect.ts';
import { type JobRun, runJob } from './run-job.ts';
import { MAX_STALLS, STALL_SECONDS, stallTimes } from './stall.ts';

/** Time after which an idle worker checks for new queues. */
const POLL_MS = 1000;
/** Time without a sign of its coordinator after which an empty queue is removed from the list. */
const QUEUE_EXPIRY_MS = 3600_000;
/** A handler that blocks the event loop for longer is assumed never to end. */
const MAX_BUSY_SECONDS = 900;
/** Time without a sign of it after which a worker counts as gone. */
const HEARTBEAT_MS = 15_000;

export interface ServeOptions {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. */
  url: string;
  /** Environment with the password; default: `process.env`. */
  env?: Record<string, string | undefined>;
  handlers: readonly Handler[];
  /** Text for the adapter in results. */
  adapter: string;
  /** The worker's name; default: host and process. */
  name?: string;
  /**
   * Returns what this worker has under the name of a need, such as a data set; or, in words, why it does not have it.
   */
  capability?: (name: string) => Promise<Capability | string>;
  /** Ends the loop: the running handler's signal aborts, and its job goes back to the queue unless it finishes. */
  signal: AbortSignal;
  /** Called with messages for people. */
  print?: (text: string) => void;
  /** Seconds without a sign of this worker after which another one gets its job; default: 30. */
  stallSeconds?: number;
  /**
   * Seconds for which a handler may block the event loop; default: 900. After that, this worker counts as stuck, and another one gets
   * its job.
   */
  busySeconds?: number;
}

/** Numbers of jobs that a worker ran. */
export interface JobCounts {
  done: number;
  failed: number;
}

/**
 * Runs jobs from a queue, one at a time, until the signal aborts. It leaves jobs whose needs it lacks to other workers, and reports the
 * reason to their coordinator.
 * @throws ArgumentError; MissingPackageError if bullmq or ioredis is not installed; QueueError, within seconds, if the server cannot be reached or refuses
 */
export async function serve(options: ServeOptions): Promise<JobCounts> {
  checkServeOptions(options);
  const {
    url,
    env = process.env,
    print = () => {},
    signal,
    stallSeconds = STALL_SECONDS,
    busySeconds = MAX_BUSY_SECONDS,
  } = options;
  stallTimes(stallSeconds);
  const address = parseAddress(url, env);
  await loadBullmq(); // early, so that a worker without the package fails at once, not with its first job
  const client = await connect(address, print);
  const { keepAlive, release } = acquireKeepAlive(
    JSON.stringify([address, busySeconds]),
    () => new KeepAlive(address, busySeconds * 1000),
  );
  const info: WorkerInfo = {
    id: randomUUID(),
    name: options.name ?? `${hostname()}-${process.pid}`,
    adapter: options.adapter,
  };
  keepAlive.enter(info, HEARTBEAT_MS);
  const loop = new WorkerLoop(client, keepAlive, info, options, stallSeconds, print);
  try {
    return await loop.run(signal);
  } finally {
    keepAlive.leave(info.id);
    await loop.close();
    await release();
    disconnectAll(client);
  }
}

const loadBullmq = () => importPackage('bullmq', 'a worker', () => import('bullmq'));

function checkServeOptions(options: ServeOptions): void {
  checkOptions('serve', options, {
    ...{
      url: 0,
      env: 0,
      handlers: 0,
      adapter: 0,
      name: 0,
      capability: 0,
      signal: 0,
      print: 0,
      stallSeconds: 0,
      busySeconds: 0,
    },
  });
  const { handlers, adapter, name = 'worker', signal, capability = async () => '', print = () => {} } = options;
  if (!Array.isArray(handlers) || handlers.length === 0) {
    throw new ArgumentError('serve: handlers must be a list of at least one handler');
  }
  const { busySeconds = MAX_BUSY_SECONDS } = options;
  if (!(typeof busySeconds === 'number' && busySeconds > 0 && busySeconds < 1e6)) {
    throw new ArgumentError(`serve: busySeconds must be a number above 0, but is ${formatValue(busySeconds)}`);
  }
  checkText('serve: adapter', adapter);
  checkText('serve: name', name);
  checkFunction('serve: capability', capability);
  checkFunction('serve: print', print);
  checkSignal('serve', signal);
}

/** The loops of one process share a thread. */
const keepAlives = new Map<string, { keepAlive: KeepAlive; users: number }>();

function acquireKeepAlive(id: string, create: () => KeepAlive) {
  const shared = keepAlives.get(id) ?? { keepAlive: create(), users: 0 };
  keepAlives.set(id, shared);
  shared.users++;
  return {
    keepAlive: shared.keepAlive,
    async release() {
      shared.users--;
      if (shared.users > 0) return;
      keepAlives.delete(id);
      await shared.keepAlive.close();
    },
  };
}

/** A queue that this worker takes jobs from. */
interface Source {
  worker: Worker;
  marker: string;
}

class WorkerLoop {
  private readonly sources = new Map<string, Source>();
  /** Queues whose needs this worker lacks, with the reason. */
  private readonly refused = new Map<string, string>();
  private readonly handlers: ReadonlyMap<string, Handler>;
  /** Connection for blocking waits, so that other commands do not wait behind them. */
  private readonly blocking: Redis;
  private readonly counts: JobCounts = { done: 0, failed: 0 };
  private jobs = 0;

  constructor(
    private readonly client: Redis,
    private readonly keepAlive: KeepAlive,
    private readonly info: WorkerInfo,
    private readonly options: ServeOptions,
    private readonly stallSeconds: number,
    private readonly print: (text: string) => void,
  ) {
    this.handlers = new Map(options.handlers.map((handler) => [handler.kind, handler]));
    this.blocking = client.duplicate();
  }

  async run(signal: AbortSignal): Promise<JobCounts> {
    let wake = () => {};
    // If the worker is to end while the server is unreachable, it must not wait for pending commands.
    const unreachable = new Promise<void>((resolve) => {
      wake = () => {
        this.blocking.disconnect();
        if (this.client.status !== 'ready') resolve();
      };
    });
    signal.addEventListener('abort', wake);
    try {
      await Promise.race([this.work(signal), unreachable]);
      return this.counts;
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  private async work(signal: AbortSignal): Promise<void> {
    let lastLook = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      if (performance.now() - lastLook > POLL_MS) {
        await retryOnReconnect(() => this.lookForQueues(), signal);
        lastLook = performance.now();
      }
      if (!(await this.runNextJob(signal))) await this.waitForJobs(signal);
    }
  }

  /** Runs a job if there is one. */
  private async runNextJob(signal: AbortSignal): Promise<boolean> {
    const { lockMs } = stallTimes(this.stallSeconds);
    for (const [queue, { worker }] of [...this.sources]) {
      const token = `${this.info.id}:${this.jobs++}`;
      const run: JobRun = {
        ...{ client: this.client, keepAlive: this.keepAlive, info: this.info, handlers: this.handlers },
        ...{ print: this.print, signal, worker, token, lockMs },
      };
      const outcome = await runJob(run);
      if (outcome === 'none') continue;
      if (outcome === 'done' || outcome === 'failed') this.counts[outcome]++;
      if (typeof outcome === 'object') await this.refuse(queue, outcome.cannotDo);
      // Moved to the end, so that another queue comes first the next time.
      const source = this.sources.get(queue);
      if (source && this.sources.delete(queue)) this.sources.set(queue, source);
      return true;
    }
    return false;
  }

  /** BullMQ adds a marker to a queue with jobs. Taking it wakes one worker; taking a job puts it back if there are more. */
  private async waitForJobs(signal: AbortSignal): Promise<void> {
    const markers = [...this.sources.values()].map(({ marker }) => marker);
    try {
      if (markers.length > 0) await this.blocking.bzpopmin(markers, POLL_MS / 1000);
      else await pause(POLL_MS, signal);
    } catch {
      // Disconnected at the end. After a lost connection, the next command waits for it.
      if (!signal.aborted) await pause(POLL_MS, signal);
    }
  }

  private async lookForQueues(): Promise<void> {
    for (const [name, text] of Object.entries(await this.client.hgetall(keys.queues))) {
      const announced = parseRecord(announcement, text);
      if (!announced) {
        this.print(`Dropped a queue that was announced as garbage: ${name.slice(0, 60)}`);
        await this.client.hdel(keys.queues, name);
        continue;
      }
      const reason = this.refused.get(name);
      // Written at each look, because a coordinator deletes refusals of workers that it does not see alive, such as one that has just
      // started.
      if (reason !== undefined) await this.writeRefusal(name, reason);
      else if (!this.sources.has(name)) await this.join(name, announced.needs);
      const source = this.sources.get(name);
      if (source && Date.now() - announced.at > QUEUE_EXPIRY_MS) await this.forget(name, source);
    }
  }

  private async join(name: string, needs: Needs): Promise<void> {
    const missing: string[] = [];
    for (const [need, needed] of Object.entries(needs)) {
      const reason = await this.missingReason(need, needed);
      if (reason !== null) missing.push(reason);
    }
    if (missing.length > 0) return this.refuse(name, missing.join('; '));
    const { Worker } = await loadBullmq();
    const { lockMs, checkMs } = stallTimes(this.stallSeconds);
    const worker = new Worker(name, null, {
      ...{ connection: this.client, prefix: PREFIX, autorun: false },
      ...{ lockDuration: lockMs, stalledInterval: checkMs, maxStalledCount: MAX_STALLS },
    });
    worker.on('error', () => {}); // `connect` reports a lost connection
    await worker.startStalledCheckTimer();
    this.sources.set(name, { worker, marker: worker.toKey('marker') });
  }

  private async missingReason(need: string, needed: Capability): Promise<string | null> {
    const kind = /^kind (.*)$/.exec(need)?.[1];
    if (kind !== undefined) return this.handlers.has(kind) ? null : `it does not do jobs of kind ${kind}`;
    const available = (await this.options.capability?.(need)) ?? 'it has none';
    if (typeof available === 'string') return `${need} (${needed.text}): ${available}`;
    return available.id === needed.id ? null : `${need} is ${needed.text} there, and here ${available.text}`;
  }

  private async refuse(name: string, reason: string): Promise<void> {
    this.refused.set(name, reason);
    const source = this.sources.get(name);
    this.sources.delete(name);
    await source?.worker.close(true);
    this.print(`This worker cannot do the jobs of one queue: ${reason}`);
    await this.writeRefusal(name, reason);
  }

  private async writeRefusal(name: string, reason: string): Promise<void> {
    await this.client.hset(keys.refusals(name), this.info.id, JSON.stringify({ worker: this.info, reason }));
    await this.client.expire(keys.refusals(name), QUEUE_EXPIRY_MS / 1000);
  }

  private async forget(name: string, { worker }: Source): Promise<void> {
    const [waiting, active] = [
      await this.client.llen(worker.toKey('wait')),
      await this.client.llen(worker.toKey('active')),
    ];
    if (waiting + active > 0) return;
    await this.client.hdel(keys.queues, name);
    this.sources.delete(name);
    await worker.close(true);
  }

  async close(): Promise<void> {
    const closing = [...this.sources.values()].map(({ worker }) => worker.close(true).catch(() => {}));
    if (this.client.status === 'ready') await Promise.all(closing); // else they would wait for the server
  }
}

/** Waits for some time, or until the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
