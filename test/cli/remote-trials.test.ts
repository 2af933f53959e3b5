import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { bundle } from '../../scripts/build.mjs';
import { type SearchRecord, searchRecord } from '../../src/search/record.ts';
import { describeOnDevice } from '../support/device.ts';
import { runToEnd } from '../support/process.ts';
import { describeOnRedis, startRedis, type TestRedis } from '../support/redis.ts';

// `tilegrad search --workers`: bundled, workers in separate processes, on the real engine.

const MODULE = `
import { Adam, Dense, Sequential } from 'tilegrad/node';
export const searcher = 'Hyperband';
export const options = { objective: 'valLoss', maxEpochs: 4, factor: 2, seed: 4 };
const x = Float32Array.from({ length: 80 }, (_, i) => Math.sin(i * i));
export const data = { x, y: Array.from({ length: 40 }, (_, i) => Number(x[2 * i] > x[2 * i + 1])) };
const slow = { onEpochEnd: () => new Promise((resolve) => setTimeout(resolve, Number(process.env.SLOW ?? 0))) };
export const fit = { batchSize: 8, validationSplit: 0.25, callbacks: () => [slow] };
export function buildModel(hp) {
  const learningRate = hp.float('learningRate', { min: 1e-3, max: 1e-1, sampling: 'log' });
  const units = hp.int('units', { min: 2, max: 8 });
  return new Sequential([new Dense({ units, activation: 'tanh', inputShape: [2] }), new Dense({ units: 2, activation: 'softmax' })])
    .compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
}
`;

describeOnDevice('on an adapter', () => {
  describeOnRedis('tilegrad search --workers', () => {
    const built = fileURLToPath(
      new URL(`../../node_modules/.cache/tilegrad-remote-test-${process.pid}`, import.meta.url),
    );
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-remote-'));
    const children: ChildProcess[] = [];
    let redis: TestRedis;
    beforeAll(async () => {
      await bundle({ cli: 'src/cli/main.ts', node: 'src/node.ts' }, built);
      redis = await startRedis();
      mkdirSync(join(folder, 'changed'));
      const text = MODULE.replace('tilegrad/node', join(built, 'node.js'));
      writeFileSync(join(folder, 'own.mjs'), text);
      writeFileSync(join(folder, 'changed/own.mjs'), text.replace("'tanh'", "'relu'"));
    });
    afterAll(() => {
      for (const child of children) child.kill('SIGKILL');
      for (const path of [built, folder]) rmSync(path, { recursive: true, force: true });
    });

    function startWorker(name: string, module = 'own.mjs', env: NodeJS.ProcessEnv = {}) {
      const words = [join(built, 'cli.js'), 'worker', redis.url, '--name', name, '--stall', '2', '--search', module];
      const all = { ...process.env, TILEGRAD_CACHE: join(folder, 'none'), ...env };
      const child = spawn(process.execPath, words, { cwd: folder, env: all });
      children.push(child);
      let text = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
      return { child, text: () => text };
    }

    /** The stderr of the last search so far. */
    let errors = '';
    async function search(out: string, words: string[]) {
      const {
        code,
        out: text,
        err,
      } = await runToEnd([join(built, 'cli.js'), 'search', 'own.mjs', '--json', '--out', out, ...words], {
        cwd: folder,
        onError: (soFar) => {
          errors = soFar;
        },
      });
      expect(code, err).toBe(0);
      const { directory, best: _, ...record } = JSON.parse(text);
      const weights = readdirSync(join(folder, directory, 'weights'))
        .sort()
        .map((name) => [
          name,
          createHash('sha256')
            .update(readFileSync(join(folder, directory, 'weights', name)))
            .digest('hex'),
        ]);
      return { record: searchRecord.parse(record), weights, err };
    }

    /** The properties of a trial that must not depend on where it was trained. */
    const resultsOf = ({ trials, space }: SearchRecord) => ({
      space,
      trials: trials.map(({ seconds: _, worker: __, histories, ...trial }) => ({
        ...trial,
        histories: histories.map((epochs) => epochs.map(({ epoch, loss, valLoss }) => [epoch, loss, valLoss])),
      })),
    });

    test('Hyperband on three workers, one killed during a trial, one with another module: the same trials and weights as without workers', async () => {
      const slow = { SLOW: '400' };
      const doomed = startWorker('doomed', 'own.mjs', slow);
      const remote = search('remote', ['--workers', redis.url]);
      remote.catch(() => {});
      await vi.waitFor(() => expect(doomed.text()).toMatch(/Trial \d+ of own[\s\S]*Epoch 1\//), 60_000);
      doomed.child.kill('SIGKILL');
      startWorker('changed', 'changed/own.mjs');
      await vi.waitFor(() => expect(errors).toMatch(/Worker changed is refused/), 60_000);
      startWorker('two');
      startWorker('three');
      const [theirs, ours] = [await remote, await search('local', [])];
      expect(resultsOf(theirs.record)).toEqual(resultsOf(ours.record));
      expect(theirs.weights).toEqual(ours.weights);
      const { trials } = theirs.record;
      expect(trials.length).toBeGreaterThan(6);
      expect(
        trials.some(
          ({ values }) => values['tuner/trial_number'] !== undefined || Number(values['tuner/initial_epoch']) > 0,
        ),
      ).toBe(true);
      expect(trials.every(({ worker }) => /^(doomed|two|three)$/.test(worker!))).toBe(true);
      expect(theirs.err).toMatch(
        /Worker changed is refused: search own is own\.mjs with checksum \w+ there, and here own\.mjs with checksum \w+/,
      );
    });
  });
});
