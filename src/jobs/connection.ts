import type { Redis } from 'ioredis';
import { QueueError } from '../base/errors.ts';
import { importPackage } from '../base/import-package.ts';
import { type Address, PASSWORD_VARIABLE } from './address.ts';

/** The oldest Redis with all commands that are used; every Valkey has them. */
const MIN_VERSION = [6, 2] as const;
/** Timeout of the first connection. */
const CONNECT_MS = 5000;
/** Time between attempts to reconnect. The thread that extends locks is faster, so it comes before processes that look for stalled jobs. */
const RETRY_MS = 1000;

/** Connections that were duplicated from another one, also by BullMQ. */
const duplicates = new WeakMap<Redis, Set<Redis>>();

/** Records the duplicates of a connection. */
function track(client: Redis): Redis {
  const tracked = new Set<Redis>();
  duplicates.set(client, tracked);
  const duplicate = client.duplicate.bind(client);
  client.duplicate = (...options) => {
    const other = track(duplicate(...options));
    other.on('error', () => {}); // `connect` reports a lost connection
    tracked.add(other);
    return other;
  };
  return client;
}

/** Closes a connection and its duplicates, without waiting for a server that is unreachable. */
export function disconnectAll(client: Redis): void {
  for (const other of duplicates.get(client) ?? []) disconnectAll(other);
  client.disconnect();
}

/** Creates a connection. Commands wait without limit while it is lost. */
function createClient(RedisClient: typeof Redis, address: Address): Redis {
  const { text: _, ...options } = address;
  return new RedisClient({
    ...options,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    keepAlive: 10_000,
    maxRetriesPerRequest: null, // no limit; BullMQ requires it
    retryStrategy: () => RETRY_MS,
  });
}

/**
 * Opens the first connection to a server.
 * @param print called once each time the connection is lost or back
 * @throws MissingPackageError if ioredis is not installed; QueueError within seconds if there is no answer, no Redis or Valkey, or the
 *   password is wrong
 */
export async function connect(address: Address, print: (text: string) => void): Promise<Redis> {
  const { Redis: RedisClient } = await importPackage('ioredis', 'a queue of jobs', () => import('ioredis'));
  const client = track(createClient(RedisClient, address));
  let lastError: Error | undefined;
  client.on('error', (error: Error) => {
    lastError = error; // reported after `close`; without a listener, ioredis prints to the console
  });
  const closed = new Promise<never>((_, reject) => {
    client.once('close', () => reject(unreachableError(address, lastError?.message ?? 'it closed the connection')));
  });
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unreachableError(address, `no answer in ${CONNECT_MS / 1000} s`)), CONNECT_MS);
  });
  try {
    const ready = client
      .connect()
      .then(() => client.info('server'))
      .then((info) => checkVersion(address, info));
    await Promise.race([ready, closed, timeout]);
  } catch (error) {
    client.disconnect();
    throw error instanceof QueueError ? error : unreachableError(address, String((error as Error)?.message ?? error));
  } finally {
    clearTimeout(timer);
    closed.catch(() => {});
  }
  let isLost = false;
  client.on('close', () => {
    if (isLost || client.status === 'end') return;
    isLost = true;
    print(`The connection to the queue at ${address.text} is lost; waiting for it to come back`);
  });
  client.on('ready', () => {
    if (!isLost) return;
    isLost = false;
    print(`The queue at ${address.text} is back`);
  });
  return client;
}

/** @throws QueueError for a server that is too old */
function checkVersion({ text }: Address, info: string): void {
  const [, version = '', major = 0, minor = 0] = /redis_version:((\d+)\.(\d+)\S*)/.exec(info) ?? [];
  if (Number(major) > MIN_VERSION[0] || (Number(major) === MIN_VERSION[0] && Number(minor) >= MIN_VERSION[1])) return;
  throw new QueueError(
    `queue: ${text} is Redis ${version || 'of an unknown version'}; use Redis 6.2 or newer, or Valkey`,
  );
}

/** Returns the error for a server that cannot be used, with what to do. */
function unreachableError(address: Address, reason: string): QueueError {
  const isRefused = /NOAUTH|WRONGPASS|AUTH\b|NOPERM|without any password/i.test(reason);
  if (isRefused) {
    return new QueueError(
      `queue: ${address.text} refuses the ${address.password === undefined ? 'connection without a password' : 'user or password'}; ` +
        `set the environment variable ${PASSWORD_VARIABLE}, or put both into the address`,
    );
  }
  const isOtherServer = /Protocol error/i.test(reason);
  return new QueueError(
    `queue: ${address.text} ${isOtherServer ? 'is not a Redis or Valkey server' : `cannot be reached (${reason})`}; ` +
      'check the address, and that a Redis or Valkey server runs there and lets this machine in',
  );
}
