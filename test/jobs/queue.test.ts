import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { AbortedError, ArgumentError, DataError, JobError, QueueError } from '../../src/errors.ts';
import { parseAddress } from '../../src/jobs/address.ts';
import { CannotDo, type Handler, handler } from '../../src/jobs/handler.ts';
import { openQueue } from '../../src/jobs/queue.ts';
import { keys } from '../../src/jobs/records.ts';
import { type ServeOptions, serve } from '../../src/jobs/serve.ts';
import { describeOnRedis, freePort, startRedis, type TestRedis } from '../support/redis.ts';

const square = { name: 'square', result: z.number() };
const payload = z.strictObject({ x: z.number() });

/** How often each computation was begun, by key. */
type Begun = Map<string, number>;
const noted = (begun: Begun, key: string) => begun.set(key, (begun.get(key) ?? 0) + 1);
const later = (ms: number, signal?: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new AbortedError('stopped'));
    });
  });

const squares = (begun: Begun = new Map(), ms = 0): Handler =>
  handler({
    ...{ kind: 'square', payload, result: z.number() },
    async run({ x }, { key, signal }) {
      noted(begun, key);
      if (ms > 0) await later(ms, signal);
      return { value: x * x };
    },
  });

describe('addresses', () => {
  test('a password is taken from the address, else from TILEGRAD_REDIS_PASSWORD, and never shown', () => {
    const env = { TILEGRAD_REDIS_PASSWORD: 'from-env' };
    expect(parseAddress('redis://host', env)).toEqual({
      ...{ host: 'host', port: 6379, db: 0, password: 'from-env', text: 'redis://host:6379' },
    });
    expect(parseAddress('rediss://me:s%40me@host:7000/2', env)).toEqual({
      ...{ host: 'host', port: 7000, db: 2, username: 'me', password: 's@me', tls: { servername: 'host' } },
      text: 'rediss://host:7000/2',
    });
    expect(parseAddress('redis://[::1]:7000', {})).toMatchObject({ host: '::1', port: 7000 });
  });

  test.each(['http://me:secret@host', 'host:6379', 'redis://', 'redis://me:secret@host/x', 'redis://host?db=1', ''])(
    '"%s" is refused, without what may be a password',
    (url) => {
      const refused = () => parseAddress(url, {});
      expect(refused).toThrow(ArgumentError);
      expect(refused).toThrow(/redis:\/\/HOST/);
      expect(refused).not.toThrow(/secret/);
    },
  );
});

describe('a server that cannot be worked with', () => {
  test('nobody listens: a QueueError that says the address and what to do', async () => {
    const url = `redis://me:secret@127.0.0.1:${await freePort()}`;
    const error = await openQueue({ url }).catch((one) => one);
    expect(error).toBeInstanceOf(QueueError);
    expect(error.message).toMatch(
      /^queue: redis:\/\/127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED.*check the address/,
    );
    expect(error.message).not.toContain('secret');
  });

  test('something that is no Redis answers, or nothing does', async () => {
    for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', '']) {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        if (answer) socket.end(answer);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      await expect(openQueue({ url: `redis://127.0.0.1:${port}` })).rejects.toThrow(QueueError);
      server.close();
    }
  });
});

describeOnRedis('a queue', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });

  /** A worker in this process, until the function it returns is called. */
  function work(options: Partial<ServeOptions> & Pick<ServeOptions, 'handlers'>) {
    const abort = new AbortController();
    const said: string[] = [];
    const ended = serve({
      ...{ url: redis.url, adapter: 'abacus', name: 'one', signal: abort.signal, stallSeconds: 2 },
      ...{ say: (text: string) => said.push(text), capability: async () => 'it has none' },
      ...options,
    });
    ended.catch(() => {});
    return {
      said,
      async stop() {
        abort.abort();
        return ended;
      },
    };
  }
  async function coordinator(url = redis.url) {
    const said: string[] = [];
    const queue = await openQueue({ url, say: (text) => said.push(text), stallSeconds: 2 });
    return { queue, said };
  }

  test('a computation comes back with who did it; asked again, by anybody, it is not done again', async () => {
    const begun: Begun = new Map();
    const worker = work({ handlers: [squares(begun)] });
    const [one, other] = [await coordinator(), await coordinator()];
    const run = { x: 12 };
    const answers = await Promise.all([
      one.queue.run(square, 'twelve', run),
      one.queue.run(square, 'twelve', run),
      other.queue.run(square, 'twelve', run),
    ]);
    expect(answers.map(({ value }) => value)).toEqual([144, 144, 144]);
    expect(answers[0]!.worker).toMatchObject({ name: 'one', adapter: 'abacus' });
    await one.queue.close();
    const third = await coordinator();
    expect((await third.queue.run(square, 'twelve', run)).value).toBe(144);
    expect([...begun]).toEqual([['twelve', 1]]);
    await expect(third.queue.run(square, 'twelve', { x: 13 })).rejects.toThrow(
      /two different computations are called square-twelve/,
    );
    await other.queue.close();
    await third.queue.close();
    expect(await worker.stop()).toEqual({ done: 1, failed: 0 });
  });
});
