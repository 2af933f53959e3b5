import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Coursework, Experiment, Network, TrainSpec } from '../../src/cli/experiment.ts';
import { checkShort } from '../../src/cli/settings.ts';
import { compare, measuredRow, section, table } from '../../src/report/blocks.ts';
import { QUICK_NOTE } from '../../src/report/comparison.ts';
import { runRecord } from '../../src/report/run-record.ts';
import { lenetOf, rowOf, tilegrad } from './fakes.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tilegrad-rows-'));
});
afterEach(() => {
  rmSync(out, { recursive: true, force: true });
  rmSync(`${out}-weights.h5`, { force: true });
});

const run = (words: string, options: Parameters<typeof tilegrad>[1] = {}) =>
  tilegrad(['run', ...words.split(' '), '--out', out], options);

/** The record of the only run. */
const record = () => runRecord.parse(JSON.parse(readFileSync(join(out, readdirSync(out)[0]!, 'run.json'), 'utf8')));

describe("an error in an experiment's code is reported", () => {
  const errorOf = async (specs: Record<string, Partial<TrainSpec>>) =>
    (
      await run('A', {
        experiments: (network) => [rowOf(network, 'A1', { baseline: {} }), rowOf(network, 'A2', specs)],
      })
    ).err;

  test('two different trainings with one name', async () => {
    expect(await errorOf({ baseline: { seed: 9 } })).toContain(
      'two different computations of this run are called baseline',
    );
  });

  test('a name that cannot be a file name', async () => {
    expect(await errorOf({ '../up': {} })).toContain('"../up" cannot name a result');
  });

  test('a data set that the experiment does not list', async () => {
    const other = (network: Network) => [
      lenetOf(network, {
        async run(context) {
          context.loaders('mnist');
          return [];
        },
      }),
    ];
    expect((await run('A1', { experiments: other })).err).toContain('A1: mnist is not one of its data sets, cifar10');
  });

  test('an invalid report: the run fails, and the error has the place', async () => {
    const wrong = (network: Network) => [
      lenetOf(network, { run: async () => [section('Results', { type: 'comparison', caption: '', rows: [] })] }),
    ];
    const { code, err } = await run('A1', { experiments: wrong });
    expect(code).toBe(1);
    expect(err).toContain('sections.0.blocks.0.rows');
    expect(record().status).toBe('failed');
  });

  test('data without an id', async () => {
    const data = { x: [[1]], y: [1] };
    expect(await errorOf({ mine: { data } })).toContain('training mine: its data does not come from context.loader');
    expect(await errorOf({ mine: { data, dataId: 'one' } })).toBe('');
  });
});

describe('a batch larger than the part of the data that an experiment trains on is all of that part', () => {
  const runTraining = async (words: string, spec: Partial<TrainSpec>) => {
    const { code, out, log } = await run(words, { experiments: (network) => [rowOf(network, 'A1', { mine: spec })] });
    expect(code).toBe(0);
    return { batches: log.fits.map(({ batchSize }) => batchSize), out };
  };
  const loader = (size: number) => ({ data: { size } as unknown as TrainSpec['data'], dataId: 'some' });

  test('some of the classes', async () => {
    const { batches, out } = await runTraining('A1 --limit 300', loader(27));
    expect(batches).toEqual([27]);
    expect(out).toContain('A1: training mine, seed 1, batches of 27 (all samples) instead of 256\n');
  });

  test('a split', async () => {
    const half = { ...loader(511), validationSplit: 0.5 };
    expect((await runTraining('A1', half)).batches).toEqual([255]);
    const { batches, out } = await runTraining('A1 --batch 255', half);
    expect(batches).toEqual([255]);
    expect(out).not.toContain('all samples');
  });
});

describe('scales', () => {
  test('smoke uses its settings, and the report states what was reduced', async () => {
    const { log } = await run('A1 --scale smoke', { kind: 'archive' });
    expect(log.fits).toMatchObject([{ epochs: 1, samples: 300 }]);
    const [row] = record().rows;
    expect(row!.reduced).toEqual(['the first 300 training images only', 'epochs 1 instead of 3', 'the rest']);
  });

  test.each([
    ['the smoke scale', 'A1 --scale smoke', 'archive', false],
    ['the sample', 'A1 --scale full', 'sample', false],
    ['fewer epochs', 'A1 --scale full --epochs 2', 'archive', true],
    ['the full scale', 'A1 --scale full', 'archive', true],
  ] as const)(
    'a metric far from the published one is marked, except in a quick run: %s',
    async (_, words, kind, isMarked) => {
      const summary: Coursework['summary'] = (_, { likeForLike }) => [
        { type: 'text', text: `like for like: ${likeForLike}` },
      ];
      const { out: text } = await run(words, { kind, summary });
      expect(/-9\.22 points !/.test(text)).toBe(isMarked);
      expect(text.includes(QUICK_NOTE)).toBe(!isMarked);
      await run(words.replace('A1', 'A'), { kind, summary });
      const [whole] = readdirSync(out).filter((name) => /-A$/.test(name));
      const { summary: written } = runRecord.parse(JSON.parse(readFileSync(join(out, whole!, 'run.json'), 'utf8')));
      expect(written).toEqual([{ type: 'text', text: `like for like: ${isMarked}` }]);
    },
  );

  test('the command line overrides the scale; --runs is --replicas', async () => {
    const { log } = await run('A1 --scale smoke --epochs 2 --replicas 4 --limit 256');
    expect(log.fits).toMatchObject([{ epochs: 2, samples: 256, replicas: 4 }]);
  });

  test('--lr throws UsageError if the experiment compares learning rates', async () => {
    const experiments = (network: Network) => [
      lenetOf(network, { scales: { full: { epochs: 1, batchSize: 9, replicas: 1 }, smoke: {} } }),
    ];
    const { code, err } = await run('A1 --lr 0.1', { experiments: experiments });
    expect(code).toBe(2);
    expect(err).toContain('--lr: the learning rates of A1');
  });
});

describe('--short runs some variations of an experiment at the short scale', () => {
  const experiments = (network: Network) => [
    lenetOf(network, {
      scales: {
        full: { epochs: 3, batchSize: 256, replicas: 1 },
        short: { epochs: 1, limit: 300 },
        smoke: {},
      },
      variations: ['wide', 'deep'],
      async run(context) {
        const names: string[] = [];
        for (const name of ['wide', 'deep']) {
          const variation = context.variation(name);
          await variation.train(`${name}-${variation.scale}`, { ...network, data: variation.loaders('cifar10').train });
          names.push(`${name} ${variation.scale}`);
        }
        return [section('Results', compare([measuredRow(names.join(', '), 0.5, [0.5])]))];
      },
    }),
  ];
  const options = { experiments: experiments, kind: 'folder' } as const;

  test('the named variations are short, the others full, and the record states which', async () => {
    const { code, log } = await run('A1 --short deep', options);
    expect(code).toBe(0);
    expect(log.fits).toMatchObject([
      { epochs: 3, samples: 1000 },
      { epochs: 1, samples: 300 },
    ]);
    const { request, rows, command } = record();
    expect(request.short).toBe('deep');
    expect(command).toContain('--short deep');
    expect(rows[0]!.reduced).toEqual([
      'deep at the short scale: the first 300 training images only, epochs 1 instead of 3',
    ]);
  });

  test('without it none is short, and all may be', async () => {
    expect((await run('A1', options)).log.fits).toMatchObject([{ epochs: 3 }, { epochs: 3 }]);
    expect((await run('A1 --short wide,deep', options)).log.fits).toMatchObject([{ epochs: 1 }, { epochs: 1 }]);
  });

  test.each([
    ['A1 --short deeper', 'A1 has no "deeper"; its variations are wide, deep'],
    ['A1 --short deep,,wide', 'A1 has no ""; its variations are wide, deep'],
    ['A1 --short deep --scale smoke', '--short deep is for runs at the full scale, but this one is of scale smoke'],
  ])('%s exits with an error', async (words, message) => {
    const { code, err } = await run(words, options);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(readdirSync(out)).toEqual([]);
  });

  test('a variation of two experiments is listed once', () => {
    const rows = [
      { variations: ['transfer', 'dark'] },
      { variations: ['transfer', 'fine-tuned'] },
    ] as unknown as Experiment[];
    const request = { id: 'B', scale: 'full' as const, seed: 1, short: 'tuned' };
    expect(() => checkShort(request, rows)).toThrow(/B has no "tuned"; its variations are transfer, dark, fine-tuned$/);
  });

  test('an experiment without variations throws; a resumed run keeps its --short', async () => {
    const none = await run('A1 --short deep', { kind: 'folder' });
    expect(none.err).toContain('--short deep: A1 has no "deep"; it has no variations');
    await run('A1 --short deep', options);
    const again = await run(`A1 --resume ${join(out, readdirSync(out)[0]!)} --short wide`, options);
    expect(again.err).toContain('that run was started with --short deep, but --short wide was given');
    const { log } = await run(`A1 --resume ${join(out, readdirSync(out)[0]!)}`, options);
    expect(log.fits).toEqual([]);
  });
});

describe('a coursework with a custom summary', () => {
  const rows = (network: Network) => [
    rowOf(network, 'A1', { one: {} }),
    rowOf(network, 'A2', { one: {}, two: { seed: 5 } }),
  ];
  const summary = (trainings: readonly { name: string }[]) => [
    table(['training'], [[trainings.map(({ name }) => name).join(' and ')]], 'All trainings'),
  ];

  test('prints it last, and its report begins with it instead of the list of comparisons', async () => {
    const { code, out: text } = await run('A', { experiments: rows, summary });
    expect(code).toBe(0);
    const end = text.slice(text.indexOf('All trainings'));
    expect(end).toContain('│ one and two │');
    expect(text).not.toContain('Published figures and ours');
    const { summary: kept } = record();
    expect(kept).toMatchObject([{ type: 'table', caption: 'All trainings' }]);
  });

  test('lists the experiments before it until all are finished', async () => {
    const failing = (network: Network) => [
      rowOf(network, 'A1', { one: {} }),
      lenetOf(network, { id: 'A2', run: () => Promise.reject(new Error('no luck')) }),
    ];
    expect((await run('A', { experiments: failing, summary })).code).toBe(1);
    const { sections } = JSON.parse(readFileSync(join(out, readdirSync(out)[0]!, 'report.json'), 'utf8'));
    expect(sections[0].blocks).toMatchObject([
      {
        type: 'table',
        rows: [
          ['A1', expect.anything(), expect.anything()],
          ['A2', expect.anything(), 'failed'],
        ],
      },
      { type: 'table', rows: [['one']] },
    ]);
  });

  test('has none in a run of one experiment', async () => {
    await run('A1', { experiments: rows, summary });
    expect(record().summary).toBeUndefined();
  });
});

describe('an experiment that starts with published weights', () => {
  const checkpoint = { alpha: 1, rows: 224, includeTop: false } as const;
  let seen: readonly string[];
  const rows = (network: Network) => [
    lenetOf(network, {
      checkpoint,
      async run(context) {
        seen = context.weightFiles;
        await context.train('one', { ...network, data: context.loaders('cifar10').train });
        return [section('Results', compare([measuredRow('accuracy', 0.5, [0.5])]))];
      },
    }),
  ];
  const file = (text: string) => {
    const path = `${out}-weights.h5`;
    writeFileSync(path, text);
    return path;
  };

  test('gets their paths; record and report state them with their checksum', async () => {
    const path = file('one');
    const { code, out: text, err, log } = await run('A1', { experiments: rows, weights: [path] });
    expect(code).toBe(0);
    expect(log.checkpoints).toEqual([checkpoint]);
    expect(seen).toEqual([path]);
    expect(text).toContain(`Weights: ${path}\n`);
    expect(err).toContain('weights.h5');
    const sha256 = createHash('sha256').update('one').digest('hex');
    expect(record().weights).toEqual([{ name: basename(path), path, sha256 }]);
    const report = readFileSync(join(out, readdirSync(out)[0]!, 'report.html'), 'utf8');
    expect(report).toContain(sha256);
  });

  test('does not start without them', async () => {
    const { code, err } = await run('A1', { experiments: rows });
    expect(code).toBe(1);
    expect(err).toContain('mobileNetV2: no weights on this machine');
    expect(readdirSync(out)).toEqual([]);
  });

  test('resumes only with the same weights', async () => {
    const path = file('one');
    await run('A1', { experiments: rows, weights: [path] });
    const folder = join(out, readdirSync(out)[0]!);
    expect((await run(`A1 --resume ${folder}`, { experiments: rows, weights: [path] })).code).toBe(0);
    file('other');
    const { code, err } = await run(`A1 --resume ${folder}`, { experiments: rows, weights: [path] });
    expect(code).toBe(1);
    expect(err).toContain(
      `that run was started with the weights of ${basename(path)}, but ${basename(path)} has others`,
    );
  });
});
