import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { JobError } from '../../src/base/errors.ts';
import { openQueue } from '../../src/jobs/queue.ts';
import { aliveWorkers } from '../../src/jobs/watch.ts';
import { killChildren, startChild } from '../support/job-child.ts';
import { describeOnRedis, freePort, startRedis, type TestRedis } from '../support/redis.ts';

// Workers and coordinators in separate processes, which are killed.

const STALL = 2;
const sleep = { name: 'sleep', result: z.number() };

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

describeOnRedis('over TLS', () => {
  test.runIf(hasOpenssl)(
    'rediss:// works with a trusted certificate, and reports what is wrong with an untrusted one',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'tilegrad-tls-'));
      const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      const words = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
      const result = spawnSync('openssl', [
        ...words,
        '-addext',
        'subjectAltName=DNS:localhost',
        '-keyout',
        key,
        '-out',
        certificate,
      ]);
      expect(result.status, String(result.stderr)).toBe(0);
      const port = await freePort();
      const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate];
      await startRedis(['--tls-port', `${port}`, ...files, '--tls-auth-clients', 'no']);
      const url = `rediss://localhost:${port}`;
      await expect(openQueue({ url })).rejects.toThrow(
        /^queue: rediss:\/\/localhost:\d+ cannot be reached \(self-signed certificate\)/,
      );
      const trusting = { NODE_EXTRA_CA_CERTS: certificate };
      const worker = await startChild(['serve', url, '2', 'safe'], trusting);
      const coordinator = await startChild(['ask', url, '2', '1', '10'], trusting);
      expect(await coordinator.ended).toBe(0);
      expect(coordinator.out()).toContain('[{"value":0,"worker":"safe"}]');
      expect(await worker.end()).toBe(0);
      rmSync(folder, { recursive: true });
    },
  );
});

describeOnRedis('worker processes', () => {
  let redis: TestRedis;
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-workers-'));
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(async () => {
    killChildren();
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
  });

  /** The workers' log: a line at the begin and end of each job. */
  function journal(name: string) {
    const path = join(folder, name);
    const lines = () => {
      try {
        return readFileSync(path, 'utf8').trim().split('\n');
      } catch {
        return [];
      }
    };
    return { path, lines, of: (what: string) => lines().filter((line) => line.startsWith(what)) };
  }
  const serve = (name: string, log: string) => startChild(['serve', redis.url, `${STALL}`, name, log]);
  const open = () => openQueue({ url: redis.url, stallSeconds: STALL });

  test('three workers, one killed during a job and one started late: every result once, as without them', async () => {
    const log = journal('three');
    const queue = await open();
    const [one, two] = [await serve('one', log.path), await serve('two', log.path)];
    const answers = Promise.all(Array.from({ length: 12 }, (_, n) => queue.run(sleep, `three-${n}`, { n, ms: 300 })));
    await vi.waitFor(() => expect(log.of('begin').some((line) => line.endsWith(' one'))).toBe(true), 20_000);
    await one.kill();
    const lost = log
      .of('begin')
      .filter((line) => line.endsWith(' one') && !log.lines().includes(line.replace('begin', 'end')));
    expect(lost).toHaveLength(1);
    const three = await serve('three', log.path);
    // On a slow machine the other worker may have finished: there must be more to do when the third one starts.
    const more = Array.from({ length: 6 }, (_, i) => queue.run(sleep, `late-${i}`, { n: 12 + i, ms: 1000 }));
    const results = [...(await answers), ...(await Promise.all(more))];
    expect(results.map(({ value }) => value)).toEqual(Array.from({ length: 18 }, (_, n) => n * n));
    // Each job ended once. The lost job was started twice, all others once.
    const n = Number(lost[0]!.split(' ')[1]);
    const count = (what: string, of: number) => log.of(`${what} ${of} `).length;
    for (let i = 0; i < 18; i++) expect([i, count('begin', i), count('end', i)]).toEqual([i, i === n ? 2 : 1, 1]);
    expect(new Set(results.map(({ worker }) => worker.name))).toContain('three');
    expect(results[n]!.worker.name).not.toBe('one');
    // The output of the killed worker is still there.
    expect(await results[n]!.readPrintedLines()).toEqual([`one begins ${n}`, `${results[n]!.worker.name} begins ${n}`]);
    expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, completed: 18, failed: 0 });
    for (const worker of [two, three]) expect(await worker.end()).toBe(0);
    await queue.close();
  });

  test('a coordinator that is killed and started again uses the existing results, and nothing is computed twice', async () => {
    const log = journal('coordinator');
    const worker = await serve('one', log.path);
    const words = ['ask', redis.url, `${STALL}`, '8', '200'];
    const first = await startChild(words);
    await vi.waitFor(() => expect(log.of('end').length).toBeGreaterThan(2), 20_000);
    await first.kill();
    const second = await startChild(words);
    expect(await second.ended).toBe(0);
    const answers = JSON.parse(second.out().trim().split('\n').at(-1)!) as { value: number }[];
    expect(answers.map(({ value }) => value)).toEqual([0, 1, 4, 9, 16, 25, 36, 49]);
    for (let n = 0; n < 8; n++) expect(log.of(`begin ${n} `)).toHaveLength(1);
    expect(await worker.end()).toBe(0);
  });

  test('a worker that is stopped for too long loses its job to another; its late result is dropped with a message', async () => {
    const log = journal('late');
    const queue = await open();
    const frozen = await serve('frozen', log.path);
    const answer = queue.run(sleep, 'late', { n: 5, ms: 1500 });
    await vi.waitFor(() => expect(log.of('begin 5 frozen')).toHaveLength(1), 20_000);
    frozen.signal('SIGSTOP');
    const other = await serve('other', log.path);
    expect((await answer).worker.name).toBe('other');
    frozen.signal('SIGCONT');
    await frozen.prints(/The result of sleep-late is dropped: there was no sign of this worker for too long/);
    expect((await queue.run(sleep, 'late', { n: 5, ms: 1500 })).worker.name).toBe('other');
    expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, failed: 0 });
    // It continues with the next job.
    await other.end();
    expect((await queue.run(sleep, 'next', { n: 6, ms: 1 })).worker.name).toBe('frozen');
    await frozen.end();
    await queue.close();
  });

  test('a job that kills its workers fails after the third, with a message', async () => {
    const log = journal('deadly');
    const queue = await open();
    const answer = queue.run(sleep, 'deadly', { n: 7, ms: 60_000 }).catch((error) => error);
    const client = new Redis(redis.url);
    const readOutput = async () => {
      const keys = await client.keys('*:logs');
      return (await Promise.all(keys.map((key) => client.lrange(key, 0, -1)))).flat();
    };
    for (const name of ['one', 'two', 'three']) {
      const worker = await serve(name, log.path);
      await worker.prints('ready');
      // Waits until its line is in the queue: a line that is being sent when the worker is killed is lost.
      await vi.waitFor(async () => expect(await readOutput()).toContain(`${name} begins 7`), 60_000);
      await worker.kill();
    }
    client.disconnect();
    const fourth = await serve('four', log.path);
    const error = await answer;
    expect(error).toBeInstanceOf(JobError);
    expect(error.message).toMatch(
      /3 workers were lost while they ran it\nThe last lines that it printed:\none begins 7\ntwo begins 7\nthree begins 7$/,
    );
    expect(log.of('begin 7')).toHaveLength(3);
    await fourth.end();
    await queue.close();
  });

  test('a worker that was killed is not counted as present for long', async () => {
    const log = journal('zombie');
    const client = new Redis(redis.url);
    await client.flushall();
    const worker = await serve('zombie', log.path);
    await vi.waitFor(
      async () => expect((await aliveWorkers(client)).map(({ name }) => name)).toEqual(['zombie']),
      20_000,
    );
    await worker.kill();
    await vi.waitFor(async () => expect(await aliveWorkers(client)).toEqual([]), { timeout: 30_000, interval: 500 });
    client.disconnect();
  });
});
