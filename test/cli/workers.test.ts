import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunRecord, runRecord } from '../../src/report/run-record.ts';
import { smallCifar, writeFiles } from '../data/helpers.ts';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';
import { describeOnRedis, freePort, startRedis, type TestRedis } from '../support/redis.ts';
import { tilegrad } from './fakes.ts';

// `tilegrad run --workers` and `tilegrad worker`, bundled, in separate processes, on the real engine.

describe('without a server', () => {
  test.each([['run', 'A1', '--scale', 'smoke', '--workers'], ['worker']])(
    '%s exits with what to do',
    async (...words) => {
      const url = `redis://me:secret@127.0.0.1:${await freePort()}`;
      const { code, out, err } = await tilegrad([...words, url]);
      expect(code).toBe(1);
      expect(err).toMatch(/error: queue: redis:\/\/127\.0\.0\.1:\d+ cannot be reached .*; check the address/);
      expect(out + err).not.toContain('secret');
    },
  );

  test('an invalid address is wrong usage of the command', async () => {
    const { code, err } = await tilegrad(['worker', 'http://me:secret@host']);
    expect([code, err]).toEqual([2, expect.stringContaining('"http://host" is not an address of a queue')]);
  });
});

const cli = bundleBeforeTests('src/cli/main.ts');

describeOnDevice('on an adapter', () => {
  describeOnRedis('with a server', () => {
    const out = mkdtempSync(join(tmpdir(), 'tilegrad-run-workers-'));
    const workers: ChildProcess[] = [];
    let redis: TestRedis;
    beforeAll(async () => {
      redis = await startRedis(['--requirepass', 'open sesame']);
    });
    afterAll(() => {
      for (const worker of workers) worker.kill('SIGKILL');
      rmSync(out, { recursive: true, force: true });
    });
    const env = { TILEGRAD_REDIS_PASSWORD: 'open sesame' };

    function startWorker(...words: string[]) {
      const childEnv = { ...process.env, TILEGRAD_DATA: '', TILEGRAD_CACHE: join(out, 'none'), ...env };
      const child = spawn(process.execPath, [cli, 'worker', redis.url, ...words], { env: childEnv });
      workers.push(child);
      let text = '';
      child.stdout.on('data', (chunk) => {
        text += chunk;
      });
      child.stderr.on('data', (chunk) => {
        text += chunk;
      });
      return {
        end: () =>
          new Promise<{ code: number | null; text: string }>((resolve) => {
            child.on('close', (code) => resolve({ code, text }));
            child.kill('SIGINT');
          }),
      };
    }

    async function run(
      folder: string,
      words: string[],
      row = 'A5',
    ): Promise<{ record: RunRecord; err: string; files: string[] }> {
      const { code, err } = await runToEnd(
        [cli, 'run', row, '--scale', 'smoke', '--out', join(out, folder), ...words],
        {
          cwd: out,
          env,
        },
      );
      expect(code, err).toBe(0);
      const [name] = readdirSync(join(out, folder));
      const path = join(out, folder, name!);
      return {
        record: runRecord.parse(JSON.parse(readFileSync(join(path, 'run.json'), 'utf8'))) as RunRecord,
        err,
        files: readdirSync(path, { recursive: true, encoding: 'utf8' })
          .map((file) => file.replace(/tfevents\..*/, 'tfevents'))
          .sort(),
      };
    }

    /** The properties of a training that must not depend on where it was trained. */
    const resultsOf = ({ trainings, rows }: RunRecord) => ({
      trainings: trainings.map(({ name, row, status, seeds, histories, evaluations, model }) => ({
        ...{ name, row, status, seeds, evaluations, summary: model.summary },
        histories: histories.map((epochs) =>
          epochs.map(({ loss, accuracy, valLoss, valAccuracy }) => [loss, accuracy, valLoss, valAccuracy]),
        ),
      })),
      rows: rows.map(({ id, status, reduced, settings, seeds, sections }) => ({
        ...{ id, status, reduced, settings, seeds },
        titles: sections.map(({ title, blocks }) => [title, blocks.map(({ type }) => type)]),
      })),
    });

    test('an experiment of six trainings and another result, on two workers, one without the data set: the same record and folder as without workers', async () => {
      const otherData = mkdtempSync(join(out, 'other-data-'));
      writeFiles(otherData, smallCifar());
      const started = [
        startWorker('--name', 'one'),
        startWorker('--name', 'two'),
        startWorker('--name', 'three', '--data', otherData),
      ];
      const [remote, local] = [await run('remote', ['--workers', redis.url]), await run('local', [])];
      expect(resultsOf(remote.record)).toEqual(resultsOf(local.record));
      expect(remote.record.trainings).toHaveLength(6);
      expect(remote.files).toEqual(local.files);
      expect(remote.files.filter((file) => file.includes('tfevents'))).toHaveLength(6 * 4);
      const names = remote.record.trainings.map(({ worker }) => worker!);
      expect(names.every((name) => /^(one|two) \(.+\)$/.test(name))).toBe(true);
      expect(local.record.trainings.every(({ worker }) => worker === undefined)).toBe(true);
      expect(remote.err).toMatch(
        /Worker three is refused: data cifar10 is 2000 and 500 images \(the bundled sample\) there, and here \d+ and \d+ images/,
      );
      const ended = await Promise.all(started.map((worker) => worker.end()));
      expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
      const done = ended.map(({ text }) => Number(/(\d+) jobs done, 0 failed/.exec(text)![1]));
      expect([done[0]! + done[1]!, done[2]]).toEqual([7, 0]);
      expect(ended.map(({ text }) => text).join() + remote.err).not.toContain('sesame');
    });

    test('an experiment of two searches and their best networks: trials are jobs, and the record is the same as without workers', async () => {
      const started = [startWorker('--name', 'one'), startWorker('--name', 'two')];
      const [remote, local] = [await run('c1', ['--workers', redis.url], 'C1'), await run('c1-local', [], 'C1')];
      expect(resultsOf(remote.record)).toEqual(resultsOf(local.record));
      const searches = ({ searches = [] }: RunRecord) =>
        searches.map(({ row, status, record: { trials, ...record } }) => ({
          ...{ row, status, record },
          trials: trials.map(({ seconds: _, worker: __, histories, ...trial }) => ({
            ...trial,
            histories: histories.map((epochs) => epochs.map(({ loss, valLoss }) => [loss, valLoss])),
          })),
        }));
      expect(searches(remote.record)).toEqual(searches(local.record));
      expect(searches(remote.record).map(({ trials }) => trials.length)).toEqual([6, 6]);
      const workers = remote.record.searches!.flatMap(({ record }) => record.trials.map(({ worker }) => worker));
      expect(workers.every((worker) => worker === 'one' || worker === 'two')).toBe(true);
      const ended = await Promise.all(started.map((worker) => worker.end()));
      const done = ended.map(({ text }) => Number(/(\d+) jobs done, 0 failed/.exec(text)![1]));
      expect(done[0]! + done[1]!).toBe(14);
    });

    test('run again without a worker: uses the results that the queue holds', async () => {
      const { record } = await run('again', ['--workers', redis.url]);
      expect(record.trainings.map(({ status }) => status)).toEqual(Array(6).fill('finished'));
    });
  });
});
