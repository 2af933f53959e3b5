import { createRequire } from 'node:module';
import { type MessagePort, Worker as Thread } from 'node:worker_threads';
import type { Address } from './address.ts';
import { keys, type WorkerInfo } from './records.ts';

const TICK_MS = 500;

/** A job that this process is running. */
export interface HeldLock {
  /** The token is unique: it names the lock in messages. */
  token: string;
  lockKey: string;
  activeKey: string;
  stalledKey: string;
  jobId: string;
  lockMs: number;
}

interface Settings {
  /** Path of the package: a thread made of text resolves names from the working folder. */
  ioredis: string;
  address: Address;
  aliveKey: string;
  workersKey: string;
  /** Time for which the main thread may block its event loop before this process counts as stuck. */
  maxBusyMs: number;
}

type Request =
  | { type: 'hold'; lock: HeldLock }
  | { type: 'release'; token: string }
  | { type: 'alive'; info: WorkerInfo; lifeMs: number }
  | { type: 'gone'; id: string }
  /** The main thread is not stuck. */
  | { type: 'tick' }
  | { type: 'stop' };

/**
 * Extends a lock. If it expired while the connection was lost, it is acquired again as long as the job is active, that is, until another
 * process moves it back to the queue. Then, and if another worker has the lock, the answer is 0.
 */
const EXTEND = `
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] or (not holder and redis.call('LPOS', KEYS[2], ARGV[3])) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  redis.call('SREM', KEYS[3], ARGV[3])
  return 1
end
return 0`;

/** Marks a worker as alive for some time, by the server's clock, and removes those whose time has expired. */
const HEARTBEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return 1`;

/** Runs in the thread as text, so it must not refer to anything outside itself. */
function threadMain(
  load: (path: string) => { Redis: typeof import('ioredis').Redis },
  settings: Settings & { extend: string; heartbeat: string },
  port: MessagePort,
): void {
  const { text: _, ...options } = settings.address;
  const { Redis } = load(settings.ioredis);
  const client = new Redis({ ...options, maxRetriesPerRequest: null, retryStrategy: () => 100 });
  client.on('error', () => {}); // the main thread reports a lost connection
  const timers = new Map<string, NodeJS.Timeout>();
  let lastTick = Date.now();
  const repeat = (name: string, ms: number, task: () => Promise<unknown>) => {
    clearInterval(timers.get(name));
    let isBusy = false; // calls must not accumulate while the connection is lost
    const runOnce = async () => {
      if (isBusy || Date.now() - lastTick > settings.maxBusyMs) return;
      isBusy = true;
      await task().catch(() => {});
      isBusy = false;
    };
    timers.set(name, setInterval(runOnce, ms));
    void runOnce();
  };
  const stop = (name: string) => {
    clearInterval(timers.get(name));
    timers.delete(name);
  };
  port.on('message', (request: Request) => {
    if (request.type === 'hold') {
      const { token, lockKey, activeKey, stalledKey, jobId, lockMs } = request.lock;
      repeat(token, lockMs / 3, async () => {
        const args = [lockKey, activeKey, stalledKey, token, lockMs, jobId];
        const isHeld = await client.eval(settings.extend, 3, ...args);
        if (isHeld || !timers.has(token)) return;
        stop(token);
        port.postMessage(token);
      });
    } else if (request.type === 'tick') {
      lastTick = Date.now();
    } else if (request.type === 'release') {
      stop(request.token);
    } else if (request.type === 'alive') {
      const { info, lifeMs } = request;
      repeat(`alive ${info.id}`, lifeMs / 3, () =>
        client.eval(
          settings.heartbeat,
          2,
          settings.aliveKey,
          settings.workersKey,
          info.id,
          JSON.stringify(info),
          lifeMs,
        ),
      );
    } else if (request.type === 'gone') {
      stop(`alive ${request.id}`);
      void client.zrem(settings.aliveKey, request.id).catch(() => {});
      void client.hdel(settings.workersKey, request.id).catch(() => {});
    } else {
      for (const name of [...timers.keys()]) stop(name);
      port.close();
      // Pending commands are still sent, unless the server is unreachable.
      void client.quit().catch(() => {});
      setTimeout(() => client.disconnect(), 1000).unref();
    }
  });
}

/**
 * Extends locks and the worker's entry among the live ones in a separate thread with its own connection, because a handler may block the
 * event loop for a long time.
 */
export class KeepAlive {
  private readonly thread: Thread;
  private readonly onLostByToken = new Map<string, () => void>();
  private readonly tickTimer: NodeJS.Timeout;

  /** @param maxBusyMs how long the main thread may block its event loop: a handler that never ends must not keep its job */
  constructor(address: Address, maxBusyMs: number) {
    const ioredis = createRequire(import.meta.url).resolve('ioredis');
    const settings: Settings = { ioredis, address, aliveKey: keys.alive, workersKey: keys.workers, maxBusyMs };
    const source = `const { parentPort, workerData } = require('node:worker_threads');
      (${threadMain})(require, workerData, parentPort);`;
    this.thread = new Thread(source, {
      eval: true,
      workerData: { ...settings, extend: EXTEND, heartbeat: HEARTBEAT },
    });
    this.tickTimer = setInterval(() => this.send({ type: 'tick' }), TICK_MS);
    this.thread.on('message', (token: string) => this.onLostByToken.get(token)?.());
  }

  private send(request: Request): void {
    this.thread.postMessage(request);
  }

  /** @param onLost called if another worker has the job */
  hold(lock: HeldLock, onLost: () => void): void {
    this.onLostByToken.set(lock.token, onLost);
    this.send({ type: 'hold', lock });
  }

  release(token: string): void {
    this.onLostByToken.delete(token);
    this.send({ type: 'release', token });
  }

  enter(info: WorkerInfo, lifeMs: number): void {
    this.send({ type: 'alive', info, lifeMs });
  }

  leave(id: string): void {
    this.send({ type: 'gone', id });
  }

  async close(): Promise<void> {
    clearInterval(this.tickTimer);
    const ended = new Promise((resolve) => this.thread.once('exit', resolve));
    this.send({ type: 'stop' });
    await ended;
  }
}
