import { createServer } from 'node:net';
import { Job, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { AbortedError, ArgumentError, DataError, JobError, QueueError } from '../../src/base/errors.ts';
import { parseAddress } from '../../src/jobs/address.ts';
import { CannotRunJob, defineHandler, type Handler } from '../../src/jobs/handler.ts';
import { openQueue } from '../../src/jobs/queue.ts';
import { keys } from '../../src/jobs/records.ts';
import { type ServeOptions, serve } from '../../src/jobs/serve.ts';
import { startChild } from '../support/job-child.ts';
import { describeOnRedis, freePort, startRedis, type TestRedis } from '../support/redis.ts';

const square = { name: 'square', result: z.number() };
const payload = z.strictObject({ x: z.number() });

/** How often each computation was begun, by key. */
type Begun = Map<string, number>;
const countStart = (begun: Begun, key: string) => begun.set(key, (begun.get(key) ?? 0) + 1);
const later = (ms: number, signal?: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new AbortedError('stopped'));
    });
  });

const squares = (begun: Begun = new Map(), ms = 0): Handler =>
  defineHandler({
    ...{ kind: 'square', payload, result: z.number() },
    async run({ x }, { key, signal }) {
      countStart(begun, key);
      if (ms > 0) await later(ms, signal);
      return { value: x * x };
    },
  });

describe('addresses', () => {
  test('the password is read from the address or TILEGRAD_REDIS_PASSWORD, and never printed', () => {
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
    '"%s" throws, without showing a possible password',
    (url) => {
      const parse = () => parseAddress(url, {});
      expect(parse).toThrow(ArgumentError);
      expect(parse).toThrow(/redis:\/\/HOST/);
      expect(parse).not.toThrow(/secret/);
    },
  );
});

describe('a server that cannot be used', () => {
  test('without a server: QueueError with the address and what to do', async () => {
    const url = `redis://me:secret@127.0.0.1:${await freePort()}`;
    const error = await openQueue({ url }).catch((one) => one);
    expect(error).toBeInstanceOf(QueueError);
    expect(error.message).toMatch(
      /^queue: redis:\/\/127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED.*check the address/,
    );
    expect(error.message).not.toContain('secret');
  });

  test('another program answers, or nothing does', async () => {
    for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', '']) {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.resume(); // without a reader, the socket would not notice that the other side ends
        if (answer) socket.end(answer);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      await expect(openQueue({ url: `redis://127.0.0.1:${port}` })).rejects.toThrow(QueueError);
      server.close();
    }
  });
});

describeOnRedis('JobQueue', () => {
  let redis: TestRedis;
  const running = new Set<() => Promise<unknown>>();
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    for (const stop of running) await stop(); // workers and coordinators that a failed test left running
    running.clear();
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
  });

  /** A worker in this process, until the function it returns is called. */
  function work(options: Partial<ServeOptions> & Pick<ServeOptions, 'handlers'>) {
    const abort = new AbortController();
    const said: string[] = [];
    const ended = serve({
      ...{ url: redis.url, adapter: 'abacus', name: 'one', signal: abort.signal, stallSeconds: 2 },
      ...{ print: (text: string) => said.push(text), capability: async () => 'it has none' },
      ...options,
    });
    ended.catch(() => {});
    const stop = () => {
      abort.abort();
      return ended;
    };
    running.add(stop);
    return { said, stop };
  }
  async function coordinator(url = redis.url) {
    const said: string[] = [];
    const queue = await openQueue({ url, print: (text) => said.push(text), stallSeconds: 2 });
    running.add(() => queue.close());
    return { queue, said };
  }

  test('a result has the name of its worker; requested again, by anyone, it is not computed again', async () => {
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

  test('a refusal that a coordinator deleted because the worker did not seem alive is sent again', async () => {
    const { queue, said } = await coordinator();
    const begun: Begun = new Map();
    const bare = work({
      name: 'bare',
      handlers: [squares(begun)],
      capability: async () => 'it is not on this machine',
    });
    const answer = queue.run(
      square,
      'again',
      { x: 3 },
      { needs: { 'data mnist': { id: 'ab', text: '60,000 images' } } },
    );
    answer.catch(() => {});
    const client = new Redis(redis.url);
    const refusals = async () => (await client.keys('*-refusals:*')).length;
    await vi.waitFor(async () => expect(await refusals()).toBe(1), 20_000);
    for (const key of await client.keys('*-refusals:*')) await client.del(key);
    await vi.waitFor(async () => expect(await refusals()).toBe(1), 20_000);
    await vi.waitFor(() => expect(said.join('\n')).toContain('Worker bare is refused'), 20_000);
    client.disconnect();
    await bare.stop();
    await queue.close();
    await expect(answer).rejects.toThrow();
  });

  test('a job goes only to workers with what it needs; the others are reported with the reason', async () => {
    const { queue, said } = await coordinator();
    const begun: Begun = new Map();
    const version = (id: string) => async (name: string) =>
      name === 'tilegrad' ? { id, text: `version ${id}` } : 'it is not on this machine';
    const older = work({ name: 'older', handlers: [squares(begun)], capability: version('1') });
    const needs = { tilegrad: { id: '2', text: 'version 2' } };
    const answer = queue.run(square, 'needs', { x: 3 }, { needs });
    await vi.waitFor(() => expect(said.join('\n')).toContain('None of the 1 workers'), 20_000);
    expect(said).toContain('Worker older is refused: tilegrad is version 2 there, and here version 1');
    expect(said.at(-1)).toMatch(/can do these jobs; waiting for one: npx tilegrad worker redis:\/\/127/);
    expect(older.said.join()).toContain('tilegrad is version 2 there, and here version 1');

    const withoutData = work({ name: 'bare', handlers: [squares(begun)], capability: version('2') });
    const more = queue.run(
      square,
      'data',
      { x: 4 },
      { needs: { ...needs, 'data mnist': { id: 'ab', text: '60,000 images' } } },
    );
    await vi.waitFor(() => expect(said.join('\n')).toContain('bare is refused'), 20_000);
    expect(said.join('\n')).toContain('Worker bare is refused: data mnist (60,000 images): it is not on this machine');
    expect((await answer).worker.name).toBe('bare');

    const full = work({
      ...{ name: 'full', adapter: 'slide rule', handlers: [squares(begun)] },
      capability: async (name) => (name === 'tilegrad' ? { id: '2', text: '' } : { id: 'ab', text: '' }),
    });
    expect((await more).worker).toMatchObject({ name: 'full', adapter: 'slide rule' });
    expect([...begun.values()]).toEqual([1, 1]);
    for (const worker of [older, withoutData, full]) await worker.stop();
    await queue.close();
  });

  test('a queue without workers is reported', async () => {
    const { queue, said } = await coordinator();
    const abort = new AbortController();
    const answer = queue.run(square, 'alone', { x: 3 }, { signal: abort.signal });
    await vi.waitFor(() => expect(said.join()).toMatch(/There is no worker; waiting for one/), 20_000);
    abort.abort();
    await expect(answer).rejects.toThrow(AbortedError);
    expect((await queue.counts()).waiting).toBe(0); // nobody waits for the job, so it is removed
    await queue.close();
  });

  test('a failed job has its reason, its worker and its output, and is computed again when requested again', async () => {
    const { queue } = await coordinator();
    let isFixed = false;
    const failing = defineHandler({
      ...{ kind: 'square', payload, result: z.number() },
      async run({ x }, { print }) {
        print('Epoch 1/3  loss 0.5');
        if (!isFixed) throw new DataError('image 7 is torn');
        return { value: x * x };
      },
    });
    const worker = work({ handlers: [failing] });
    const error = await queue.run(square, 'torn', { x: 5 }).catch((one) => one);
    expect(error).toBeInstanceOf(JobError);
    expect(error.message).toBe(
      'square-torn failed on worker one (abacus): image 7 is torn\nThe last lines that it printed:\nEpoch 1/3  loss 0.5',
    );
    isFixed = true;
    const fixed = await queue.run(square, 'torn', { x: 5 });
    expect([fixed.value, await fixed.readPrintedLines()]).toEqual([25, ['Epoch 1/3  loss 0.5']]);
    expect(await worker.stop()).toEqual({ done: 1, failed: 1 });
    await queue.close();
  });

  test('attachments are transferred complete, and each is stored once', async () => {
    const { queue } = await coordinator();
    const worker = work({
      handlers: [
        defineHandler({
          ...{ kind: 'reverse', payload: z.null(), result: z.number() },
          async run(_, { file, fileNames }) {
            const bytes = await file(fileNames[0]!);
            return { value: bytes.length, files: { back: Uint8Array.from(bytes).reverse() } };
          },
        }),
      ],
    });
    const weights = Uint8Array.from({ length: 20_000_000 }, (_, i) => (i * 7919) % 251);
    const kind = { name: 'reverse', result: z.number() };
    const answers = await Promise.all(['a', 'b'].map((key) => queue.run(kind, key, null, { files: { weights } })));
    for (const answer of answers) {
      expect([answer.value, answer.fileNames]).toEqual([weights.length, ['back']]);
      const back = await answer.file('back');
      expect(Buffer.compare(back, Buffer.from(weights).reverse())).toBe(0);
      await expect(answer.file('other')).rejects.toThrow(/there is no attachment other; there are back/);
    }
    const client = new Redis(redis.url);
    expect(await client.keys(keys.file('*'))).toHaveLength(2);
    for (const key of await client.keys(keys.file('*'))) expect(await client.ttl(key)).toBeGreaterThan(3600);
    await client.flushall();
    await expect(answers[0]!.file('back')).rejects.toThrow(QueueError);
    client.disconnect();
    await worker.stop();
    await queue.close();
  });

  test('a handler that blocks the event loop for longer than the stall time keeps its job', async () => {
    const { queue } = await coordinator();
    const begun: Begun = new Map();
    const busy = defineHandler({
      ...{ kind: 'square', payload, result: z.number() },
      async run({ x }, { key }) {
        countStart(begun, key);
        const until = Date.now() + 5000; // two and a half stall times
        while (Date.now() < until);
        return { value: x * x };
      },
    });
    // The second worker is another process, which checks for stalled jobs.
    const other = await startChild(['serve', redis.url, '2']);
    const worker = work({ handlers: [busy] });
    const answer = await queue.run(square, 'busy', { x: 9 });
    expect([answer.value, answer.worker.name, [...begun]]).toEqual([81, 'one', [['busy', 1]]]);
    expect(await queue.counts()).toMatchObject({ failed: 0, active: 0, waiting: 0 });
    expect(await worker.stop()).toEqual({ done: 1, failed: 0 });
    await other.end();
    await queue.close();
  });

  test('a handler that never yields loses its job to another worker', async () => {
    const { queue } = await coordinator();
    let [begun, release] = [() => {}, () => {}];
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const stuck = defineHandler({
      ...{ kind: 'sleep', payload: z.strictObject({ n: z.number(), ms: z.number() }), result: z.number() },
      async run() {
        begun();
        await released;
        const until = Date.now() + 8000;
        while (Date.now() < until);
        return { value: -1 };
      },
    });
    const worker = work({ handlers: [stuck], busySeconds: 1 });
    const answer = queue.run({ name: 'sleep', result: z.number() }, 'stuck', { n: 5, ms: 1 });
    await hasBegun;
    // It blocks as soon as there is another worker: a worker that starts slowly would find the job returned and taken again.
    const other = await startChild(['serve', redis.url, '2', 'other']);
    release();
    expect(await answer).toMatchObject({ value: 25, worker: { name: 'other' } });
    await vi.waitFor(() => expect(worker.said.join()).toContain('The result of sleep-stuck is dropped'), 20_000);
    expect(await worker.stop()).toEqual({ done: 0, failed: 0 });
    await other.end();
    await queue.close();
  });

  test('invalid messages are dropped with a note, and the worker continues', async () => {
    const { queue } = await coordinator();
    const worker = work({ handlers: [squares()] });
    await queue.run(square, 'before', { x: 1 });
    const client = new Redis(redis.url);
    const [wait] = (await client.keys('tilegrad:v1-*:meta')).map((key) => key.replace(/meta$/, ''));
    // Not JSON, added by hand.
    await client.hset(`${wait}torn`, 'name', 'square', 'data', '{"x', 'opts', '{}', 'timestamp', '1');
    await client.lpush(`${wait}wait`, 'torn');
    await client.hset(keys.queues, 'nonsense', 'no JSON');
    await client.hset(keys.refusals(wait!.split(':')[1]!), 'nobody', 'no JSON');
    await expect(queue.run(square, 'text', { x: 'twelve' })).rejects.toThrow(
      /square-text failed .* it is garbage: x: /,
    );
    await expect(queue.run({ name: 'square', result: z.string() }, 'kind', { x: 3 })).rejects.toThrow(
      /the result of square-kind from worker one is not of its kind/,
    );
    expect((await queue.run(square, 'after', { x: 2 })).value).toBe(4);
    await vi.waitFor(() => expect(worker.said.join('\n')).toContain('announced as garbage: nonsense'), 10_000);
    expect(worker.said.join('\n')).toMatch(/Dropped the job torn: it is garbage \(.*JSON/);
    expect(worker.said.join('\n')).toContain('Dropped the job square-text: it is garbage (x: ');
    expect(await client.exists(`${wait}torn`)).toBe(0);
    client.disconnect();
    await worker.stop();
    await queue.close();
  });

  test('a worker that finds out that it cannot do a job returns it, and takes no more of its kind', async () => {
    const { queue, said } = await coordinator();
    const wrong = defineHandler({
      ...{ kind: 'square', payload, result: z.number() },
      run: async () => {
        throw new CannotRunJob('its key comes out as b here, not as a: its code is another');
      },
    });
    const first = work({ name: 'first', handlers: [wrong] });
    const answer = queue.run(square, 'code', { x: 6 });
    await vi.waitFor(() => expect(said.join()).toContain('Worker first is refused: its key comes out as b'), 20_000);
    const begun: Begun = new Map();
    const second = work({ name: 'second', handlers: [squares(begun)] });
    expect((await answer).worker.name).toBe('second');
    expect([...begun]).toEqual([['code', 1]]);
    expect(await first.stop()).toEqual({ done: 0, failed: 0 });
    await second.stop();
    await queue.close();
  });

  test('a worker that is asked to stop returns its job, and another takes it at once', async () => {
    const { queue } = await coordinator();
    const begun: Begun = new Map();
    const first = work({ name: 'first', handlers: [squares(begun, 60_000)] });
    const answer = queue.run(square, 'given-back', { x: 7 });
    await vi.waitFor(() => expect(begun.size).toBe(1), 20_000);
    expect(await first.stop()).toEqual({ done: 0, failed: 0 });
    expect(first.said).toContain('square-given-back went back to the queue');
    const second = work({ name: 'second', handlers: [squares()] });
    expect((await answer).worker.name).toBe('second');
    await second.stop();
    await queue.close();
  });

  test('many workers and two coordinators: every job is computed once, and none is lost', async () => {
    const begun: Begun = new Map();
    const workers = Array.from({ length: 8 }, (_, i) => work({ name: `w${i}`, handlers: [squares(begun)] }));
    const [one, other] = [await coordinator(), await coordinator()];
    const ask = ({ queue }: typeof one) =>
      Promise.all(Array.from({ length: 200 }, (_, x) => queue.run(square, `many-${x}`, { x })));
    const [answers, same] = await Promise.all([ask(one), ask(other)]);
    expect(answers.map(({ value }) => value)).toEqual(Array.from({ length: 200 }, (_, x) => x * x));
    expect(same.map(({ value }) => value)).toEqual(answers.map(({ value }) => value));
    expect([begun.size, Math.max(...begun.values())]).toEqual([200, 1]);
    const served = await Promise.all(workers.map((worker) => worker.stop()));
    expect(served.reduce((sum, { done }) => sum + done, 0)).toBe(200);
    await one.queue.close();
    await other.queue.close();
  });
});

describeOnRedis('a server with a password', () => {
  test('is read from the environment; without it the error says what to set, and a wrong one is not shown', async () => {
    const redis = await startRedis(['--requirepass', 'open sesame']);
    await expect(openQueue({ url: redis.url, env: {} })).rejects.toThrow(
      /refuses the connection without a password; set the environment variable TILEGRAD_REDIS_PASSWORD/,
    );
    const wrong = await openQueue({ url: redis.url, env: { TILEGRAD_REDIS_PASSWORD: 'sesame' } }).catch((one) => one);
    expect(wrong).toBeInstanceOf(QueueError);
    expect(wrong.message).toContain('refuses the user or password');
    expect(wrong.message).not.toContain('sesame');
    const env = { TILEGRAD_REDIS_PASSWORD: 'open sesame' };
    const queue = await openQueue({ url: redis.url, env });
    const abort = new AbortController();
    const messages: string[] = [];
    const worker = serve({
      ...{ url: redis.url, env, adapter: 'abacus', handlers: [squares()], signal: abort.signal },
      print: (text) => messages.push(text),
    });
    expect((await queue.run(square, 'secret', { x: 5 })).value).toBe(25);
    expect([queue.address, ...messages].join()).not.toContain('sesame');
    abort.abort();
    await worker;
    await queue.close();
  });
});

describeOnRedis('a connection that is lost', () => {
  test('a coordinator and a worker that are asked to stop meanwhile do so at once', async () => {
    const redis = await startRedis();
    const queue = await openQueue({ url: redis.url });
    const abort = new AbortController();
    const worker = serve({
      url: redis.url,
      adapter: 'abacus',
      signal: abort.signal,
      handlers: [squares(new Map(), 60_000)],
    });
    const answers = ['runs', 'waits'].map((key) => queue.run(square, key, { x: 3 }, { signal: abort.signal }));
    await vi.waitFor(async () => expect((await queue.counts()).active).toBe(1), 20_000);
    await redis.stop();
    await later(500);
    abort.abort();
    expect(await Promise.allSettled(answers)).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
    expect(await worker).toEqual({ done: 0, failed: 0 });
    await queue.close();
  });

  test.each<[string, (cut: (on: object, method: string) => void) => void, number]>([
    ['a result is handed in', (cut) => cut(Job.prototype, 'moveToCompleted'), 9],
    ['a job is taken', (cut) => cut(Worker.prototype, 'getNextJob'), 9],
    ['a job is put in', (cut) => cut(Queue.prototype, 'add'), 9],
    ['a worker looks for queues', (cut) => cut(Redis.prototype, 'hgetall'), 9],
    ['a failure is handed in', (cut) => cut(Job.prototype, 'moveToFailed'), Number.NaN],
  ])('as %s, whose command fails: the command is repeated', async (_, cutAt, value) => {
    const redis = await startRedis();
    const errors = ['Connection is closed.', 'Command aborted due to connection close', 'LOADING Redis is loading'];
    let cuts = 0;
    cutAt((on, method) => {
      const spy = vi.spyOn(on as Record<string, () => Promise<unknown>>, method);
      for (const message of errors) {
        spy.mockImplementationOnce(async () => {
          cuts++;
          throw new Error(message);
        });
      }
    });
    const queue = await openQueue({ url: redis.url });
    const abort = new AbortController();
    const worker = serve({
      url: redis.url,
      adapter: 'abacus',
      signal: abort.signal,
      handlers: [
        defineHandler({
          ...{ kind: 'square', payload, result: z.number() },
          async run({ x }) {
            if (Number.isNaN(value)) throw new DataError('no');
            return { value: x * x };
          },
        }),
      ],
    });
    const answer = await queue.run(square, 'one', { x: 3 }).then(
      (finished) => finished.value,
      (error) => error,
    );
    if (Number.isNaN(value)) expect(answer).toBeInstanceOf(JobError);
    else expect(answer).toBe(value);
    expect(cuts).toBe(errors.length);
    vi.restoreAllMocks();
    abort.abort();
    await worker;
    await queue.close();
    await redis.stop();
  });

  test.each<[string, string[], number]>([
    ['for less than the stall time', ['--appendonly', 'yes'], 20],
    ['for longer', ['--appendonly', 'yes'], 2],
    ['for longer, and the server comes back empty', [], 2],
  ])('%s: the running job and the waiting job are completed, with a message', async (_, words, stallSeconds) => {
    const redis = await startRedis(words);
    const said: string[] = [];
    const begun: Begun = new Map();
    const queue = await openQueue({ url: redis.url, print: (text) => said.push(text), stallSeconds: 2 });
    const abort = new AbortController();
    const options = { url: redis.url, adapter: 'abacus', signal: abort.signal, stallSeconds };
    const worker = serve({
      ...options,
      print: (text) => said.push(`worker: ${text}`),
      handlers: [squares(begun, 4000)],
    });
    const answers = ['runs', 'waits'].map((key) => queue.run(square, key, { x: 3 }));
    await vi.waitFor(() => expect(begun.size).toBe(1), 20_000);
    await redis.stop();
    await vi.waitFor(() => expect(said.join()).toContain('is lost; waiting for it to come back'), 20_000);
    await later(3000); // longer than the lock
    await redis.start();
    expect((await Promise.all(answers)).map(({ value }) => value)).toEqual([9, 9]);
    expect(said.filter((text) => /is lost/.test(text))).toHaveLength(2);
    expect(said.filter((text) => /is back/.test(text))).toHaveLength(2);
    if (stallSeconds > 2)
      expect([...begun]).toEqual([
        ['runs', 1],
        ['waits', 1],
      ]); // the lock still held
    abort.abort();
    await worker;
    await queue.close();
  });
});
