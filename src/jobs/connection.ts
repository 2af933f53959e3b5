import type { Redis } from 'ioredis';
import { QueueError } from '../base/errors.ts';
import { importPackage } from '../base/import-package.ts';
import { type Address, PASSWORD_VARIABLE } from './address.ts';

/** The oldest server with all commands that are used: Redis 6.2, and every Valkey. */
const MIN_VERSION = [6, 2] as const;
/** How long a first connection may take. */
const CONNECT_MS = 5000;
/** Between two attempts to connect again; the thread that keeps locks is quicker, so that it comes before those who look for stalled jobs. */
const RETRY_MS = 1000;

/** Connections that were made of another one, by BullMQ too. */
const duplicates = new WeakMap<Redis, Set<Redis>>();

/** Makes a connection remember those made of it. */
function track(client: Redis): Redis {
  const made = new Set<Redis>();
  duplicates.set(client, made);
  const duplicate = client.duplicate.bind(client);
  client.duplicate = (...options) => {
    const other = track(duplicate(...options));
    other.on('error', () => {}); // `connect` tells of a lost connection
    made.add(other);
    return other;
  };
  return client;
}

/** Ends a connection and all that were made of it, without waiting for a server that is away. */
export function disconnectAll(client: Redis): void {
  for (const other of duplicates.get(client) ?? []) disconnectAll(other);
  client.disconnect();
}

/** One connection: commands wait while it is lost, for as long as it takes. */
function createClient(RedisClient: typeof Redis, address: Address): Redis {
  const { text: _, ...options } = address;
  return new RedisClient({
    ...options,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    keepAlive: 10_000,
    maxRetriesPerRequest: null, // what BullMQ asks for, and what "waits" means
    retryStrategy: () => RETRY_MS,
  });
}

/**
 * Opens the first connection to a server.
 * @param print is told, once each, that the connection is lost and that it is back
 * @throws MissingPackageError where ioredis is not installed; QueueError within seconds if nobody answers there, or not as Redis or Valkey do, or the password is wrong
 */
export async function connect(address: Address, print: (text: string) => void): Promise<Redis> {
  const { Redis: RedisClient } = await importPackage('ioredis', 'a queue of jobs', () => import('ioredis'));
  const client = track(createClient(RedisClient, address));
  let lastError: Error | undefined;
  client.on('error', (error: Error) => {
    lastError = error; // `close` says what people need; without a listener ioredis prints to the console
  });
  const failed = new Promise<never>((_, reject) => {
    client.once('close', () => reject(unreachableError(address, lastError?.message ?? 'it closed the connection')));
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unreachableError(address, `no answer in ${CONNECT_MS / 1000} s`)), CONNECT_MS);
  });
  try {
    const ready = client
      .connect()
      .then(() => client.info('server'))
      .then((info) => checkVersion(address, info));
    await Promise.race([ready, failed, late]);
  } catch (error) {
    client.disconnect();
    throw error instanceof QueueError ? error : unreachableError(address, String((error as Error)?.message ?? error));
  } finally {
    clearTimeout(timer);
    failed.catch(() => {});
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

/** The error for a server that cannot be worked with, with what to do about it. */
function unreachableError(address: Address, reason: string): QueueError {
  const isRefused = /NOAUTH|WRONGPASS|AUTH\b|NOPERM|without any password/i.test(reason);
  if (isRefused) {
    return new QueueError(
      `queue: ${address.text} refuses the ${address.password === undefined ? 'connection without a password' : 'user or password'}; ` +
        `set the environment variable ${PASSWORD_VARIABLE}, or put both into the address`,
    );
  }
  const isOther = /Protocol error/i.test(reason);
  return new QueueError(
    `queue: ${address.text} ${isOther ? 'is not answered by Redis or Valkey' : `cannot be reached (${reason})`}; ` +
      'check the address, and that a Redis or Valkey server runs there and lets this machine in',
  );
}
