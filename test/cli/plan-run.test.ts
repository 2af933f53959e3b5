import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { Network } from '../../src/cli/experiment.ts';
import type { RunOptions } from '../../src/cli/options.ts';
import { checkRunOptions, planRun, resumeRun } from '../../src/cli/plan-run.ts';
import { isQuickRun, removeReasons } from '../../src/cli/run-experiments.ts';
import { interruptionText, meanSpeed } from '../../src/cli/run-output.ts';
import { findTarget, type RunTarget } from '../../src/cli/run-target.ts';
import type { RunRecord, TrainingEntry } from '../../src/report/run-record.ts';
import { FakeIo, type FakeOptions, fakeModules, lenetOf } from './fakes.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tilegrad-plan-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

const two: FakeOptions['experiments'] = (network: Network) => [
  lenetOf(network),
  lenetOf(network, { id: 'A2', checkpoint: { alpha: 1, rows: 96, includeTop: false } }),
];

/** A run target whose engine cannot open a device. */
async function targetOf(id: string, options: FakeOptions = {}) {
  const { modules } = fakeModules({
    ...options,
    openDevice: () => {
      throw new Error('a device was opened');
    },
  });
  return { target: findTarget(id, await modules.catalogue()), engine: await modules.engine() };
}

async function plan(id: string, options: Partial<RunOptions> = {}, fake: FakeOptions = {}) {
  const { target, engine } = await targetOf(id, fake);
  return planRun(target, { out, ...options }, null, engine, new FakeIo());
}

describe('planRun, without a device or a folder', () => {
  test('uses the settings of the scale, overridden by the options', async () => {
    const planned = await plan('A1', { scale: 'smoke', seed: 3, replicas: 2 });
    expect(planned.request).toEqual({ id: 'A1', scale: 'smoke', seed: 3, replicas: 2 });
    expect(planned.experiments).toHaveLength(1);
    const [{ settings, record, initialRecord }] = planned.experiments as [(typeof planned.experiments)[0]];
    expect(settings).toEqual({ epochs: 1, batchSize: 256, replicas: 2, learningRate: 0.001, limit: 300 });
    expect(record).toEqual(initialRecord);
    expect(record).toMatchObject({ id: 'A1', status: 'waiting', seeds: [3, 4], datasets: ['cifar10'] });
    expect(record.reduced).toContain('the rest');
    expect(readdirSync(out)).toEqual([]);
  });

  test('the default scale is short with the bundled sample and full with the full data set', async () => {
    expect((await plan('A1')).request.scale).toBe('short');
    expect((await plan('A1', {}, { kind: 'folder' })).request.scale).toBe('full');
  });

  test('finds published weights once, for the experiments that start with them', async () => {
    const file = join(out, 'weights.h5');
    writeFileSync(file, 'weights');
    const planned = await plan('A', {}, { experiments: two, weights: [file] });
    expect(planned.experiments.map(({ weightFiles }) => weightFiles)).toEqual([[], [file]]);
    expect([...planned.weights.values()].flat()).toMatchObject([{ name: 'weights.h5', path: file }]);
  });

  test('a resumed run keeps its request and its finished experiments; --data may name another folder', async () => {
    const { target, engine } = await targetOf('A', { experiments: two, weights: [] });
    const fresh = await planRun(target, { out, epochs: 2 }, null, engine, new FakeIo());
    const [a1, a2] = fresh.experiments.map(({ record }) => record);
    const rows = [
      { ...a1!, status: 'finished' as const, seconds: 7 },
      { ...a2!, status: 'failed' as const },
    ];
    const resumed = { folder: out, record: { request: fresh.request, rows } as RunRecord };
    const planned = await planRun(target, { out, data: '/images' }, resumed, engine, new FakeIo());
    expect(planned.request).toEqual({ ...fresh.request, data: '/images' });
    expect(planned.experiments.map(({ record }) => record)).toEqual([rows[0], a2]);
  });

  test('throws UsageError for --limit, --short or --lr that do not fit', async () => {
    await expect(plan('A1', { limit: 1001 })).rejects.toThrow(/--limit 1001: there are fewer training images: 1,000/);
    await expect(plan('A1', { short: 'base' })).rejects.toThrow(UsageError);
    const withoutRate: FakeOptions = {
      experiments: (network) => [
        lenetOf(network, { scales: { full: { epochs: 1, batchSize: 8, replicas: 1 }, smoke: {} } }),
      ],
    };
    await expect(plan('A1', { learningRate: 0.1 }, withoutRate)).rejects.toThrow(/--lr: the learning rates of A1/);
  });
});

describe('checkRunOptions', () => {
  let catalogued: RunTarget;
  beforeEach(async () => {
    catalogued = (await targetOf('A1')).target;
  });
  const fileTarget = async () => ({ ...(await targetOf('A1')).target, file: '/mine.mjs' });

  test('--profile: throws UsageError for a coursework, and for an experiment without network or data set', async () => {
    const { target } = await targetOf('A', { experiments: two });
    expect(() => checkRunOptions(target, { profile: true })).toThrow(/--profile: .*but was given A$/);
    const { target: one } = await targetOf('A1');
    expect(() => checkRunOptions(one, { profile: true })).not.toThrow();
    for (const change of [{ networks: [] }, { networks: undefined }, { datasets: [] }]) {
      const changed: RunTarget = { ...one, experiments: [{ ...one.experiments[0]!, ...change }] };
      expect(() => checkRunOptions(changed, { profile: true })).toThrow(UsageError);
    }
  });

  test('--workers: throws UsageError for an experiment in a file', async () => {
    expect(() => checkRunOptions(catalogued, { workers: 'redis://host' })).not.toThrow();
    await expect(fileTarget().then((target) => checkRunOptions(target, { workers: 'redis://host' }))).rejects.toThrow(
      /--workers: .*\/mine\.mjs/,
    );
  });

  test('--accept-changes: throws UsageError without --resume, and without an experiment file', async () => {
    const target = await fileTarget();
    expect(() => checkRunOptions(target, { acceptChanges: true, resume: true })).not.toThrow();
    expect(() => checkRunOptions(target, { acceptChanges: true })).toThrow(/--accept-changes/);
    expect(() => checkRunOptions(catalogued, { acceptChanges: true, resume: true })).toThrow(/--accept-changes/);
  });
});

describe('resumeRun', () => {
  test('throws UsageError and leaves no lock if there is nothing to resume', async () => {
    const { target } = await targetOf('A1');
    mkdirSync(join(out, '20260101-000000-A1'));
    expect(() => resumeRun(target, { out, resume: true }, () => {})).toThrow(/there is no unfinished run of A1/);
    expect(readdirSync(join(out, '20260101-000000-A1'))).toEqual([]);
  });
});

describe('the end of a run', () => {
  const entry = (change: object) =>
    ({ name: 'baseline', status: 'finished', kept: false, histories: [[]], ...change }) as unknown as TrainingEntry;
  const request = { id: 'A1', scale: 'full', seed: 1 } as const;

  test('an interruption message has the training and its last epoch, or the search and its trials', () => {
    const text = (trainings: TrainingEntry[], searches?: object[]) =>
      interruptionText({ request, trainings, searches: searches as RunRecord['searches'] }, 'runs/x');
    const stopped = entry({ status: 'interrupted', histories: [[{ epoch: 1 }, { epoch: 2 }]] });
    const resume = '(`npx tilegrad run A1 --resume runs/x` resumes it); results saved in runs/x';
    expect(text([entry({}), stopped])).toBe(`interrupted after epoch 2 of baseline ${resume}`);
    expect(text([entry({ status: 'interrupted' })])).toContain('before the end of the first epoch of baseline');
    expect(text([entry({})], [{ status: 'interrupted', record: { name: 's', trials: [1, 2] } }])).toContain(
      'in search s, trials done: 2',
    );
    expect(text([entry({})])).toContain('interrupted between two trainings');
  });

  test('the mean speed is that of the epochs in this session', () => {
    const epochs = (...speeds: (number | undefined)[]) => [speeds.map((samplesPerSecond) => ({ samplesPerSecond }))];
    const kept = entry({ kept: true, histories: epochs(1e6) });
    expect(meanSpeed({ trainings: [kept] })).toBeNull();
    expect(meanSpeed({ trainings: [kept, entry({ histories: epochs(100, 300) })] })).toBe(200);
  });

  test('a smoke run and a run on the sample are quick: their comparisons have no reasons or marks', () => {
    const data = { cifar10: { kind: 'sample' }, mnist: { kind: 'folder' } } as unknown as RunRecord['data'];
    expect(isQuickRun({ request, data }, { datasets: ['mnist'] })).toBe(false);
    expect(isQuickRun({ request, data }, { datasets: ['mnist', 'cifar10'] })).toBe(true);
    expect(isQuickRun({ request: { ...request, scale: 'smoke' }, data }, { datasets: ['mnist'] })).toBe(true);
    const row = { label: 'loss', published: 1, ours: 2, why: 'because' };
    const written = { title: 'Results', blocks: [{ type: 'comparison' as const, caption: '', rows: [row] }] };
    const { why: _, ...rest } = row;
    expect(removeReasons(written, false).blocks).toEqual([{ ...written.blocks[0], rows: [rest] }]);
    expect(removeReasons(written, true).blocks).toEqual([
      { ...written.blocks[0], rows: [{ ...rest, likeForLike: false }] },
    ]);
  });
});
