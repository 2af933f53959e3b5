import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Network, TrainSpec } from '../../src/cli/experiment.ts';
import { section } from '../../src/report/blocks.ts';
import { runRecord } from '../../src/report/run-record.ts';
import { lenetOf, rowOf, tilegrad } from './fakes.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tilegrad-rows-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

const run = (words: string, options: Parameters<typeof tilegrad>[1] = {}) =>
  tilegrad(['run', ...words.split(' '), '--out', out], options);

/** Of the only run. */
const record = () => runRecord.parse(JSON.parse(readFileSync(join(out, readdirSync(out)[0]!, 'run.json'), 'utf8')));

describe('mistakes in a row are told', () => {
  const told = async (specs: Record<string, Partial<TrainSpec>>) =>
    (
      await run('A', {
        experiments: (network) => [rowOf(network, 'A1', { baseline: {} }), rowOf(network, 'A2', specs)],
      })
    ).err;

  test('one name for two trainings', async () => {
    expect(await told({ baseline: { seed: 9 } })).toContain(
      'two different computations of this run are called baseline',
    );
  });

  test('a name that is none for a file', async () => {
    expect(await told({ '../up': {} })).toContain('"../up" cannot name a part');
  });

  test('a data set it does not name', async () => {
    const other = (network: Network) => [
      lenetOf(network, {
        async run(lab) {
          lab.loaders('mnist');
          return [];
        },
      }),
    ];
    expect((await run('A1', { experiments: other })).err).toContain('A1: mnist is none of its data sets, cifar10');
  });

  test('a report that is none: the run fails, and says where', async () => {
    const wrong = (network: Network) => [
      lenetOf(network, { run: async () => [section('Results', { type: 'comparison', caption: '', rows: [] })] }),
    ];
    const { code, err } = await run('A1', { experiments: wrong });
    expect(code).toBe(1);
    expect(err).toContain('sections.0.blocks.0.rows');
    expect(record().status).toBe('failed');
  });

  test('data that nobody can name', async () => {
    const data = { x: [[1]], y: [1] };
    expect(await told({ mine: { data } })).toContain('training mine: its data comes from elsewhere');
    expect(await told({ mine: { data, dataId: 'one' } })).toBe('');
  });
});

describe('a batch larger than the part of the data that a row trains on is all of that part', () => {
  const trained = async (words: string, spec: Partial<TrainSpec>) => {
    const { code, out, log } = await run(words, { experiments: (network) => [rowOf(network, 'A1', { mine: spec })] });
    expect(code).toBe(0);
    return { batches: log.fits.map(({ batchSize }) => batchSize), out };
  };
  const loader = (size: number) => ({ data: { size } as unknown as TrainSpec['data'], dataId: 'some' });

  test('some of the classes', async () => {
    const { batches, out } = await trained('A1 --limit 300', loader(27));
    expect(batches).toEqual([27]);
    expect(out).toContain('A1: training mine, seed 1, batches of 27 (all samples) instead of 256\n');
  });

  test('a split', async () => {
    const half = { ...loader(511), validationSplit: 0.5 };
    expect((await trained('A1', half)).batches).toEqual([255]);
    const { batches, out } = await trained('A1 --batch 255', half);
    expect(batches).toEqual([255]);
    expect(out).not.toContain('all samples');
  });
});

describe('scales', () => {
  test('smoke takes its settings, and the report says what was cut', async () => {
    const { log } = await run('A1 --scale smoke', { kind: 'archive' });
    expect(log.fits).toMatchObject([{ epochs: 1, samples: 300 }]);
    const [row] = record().rows;
    expect(row!.reduced).toEqual(['the first 300 training images only', 'epochs 1 instead of 3', 'the rest']);
  });

  test('the command line goes before the scale, and --replicas is --runs', async () => {
    const { log } = await run('A1 --scale smoke --epochs 2 --replicas 4 --limit 256');
    expect(log.fits).toMatchObject([{ epochs: 2, samples: 256, replicas: 4 }]);
  });

  test('--lr is refused where rates are what a row is about', async () => {
    const fixed = (network: Network) => [
      lenetOf(network, { scales: { full: { epochs: 1, batchSize: 9, replicas: 1 }, smoke: {} } }),
    ];
    const { code, err } = await run('A1 --lr 0.1', { experiments: fixed });
    expect(code).toBe(2);
    expect(err).toContain('--lr: the learning rates of A1');
  });
});
