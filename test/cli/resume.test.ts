import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockHolder, tryLock } from '../../scripts/setup/lock.mjs';
import { DeviceLostError } from '../../src/base/errors.ts';
import type { Network } from '../../src/cli/experiment.ts';
import { type RunRecord, runRecord } from '../../src/report/run-record.ts';
import { FakeIo, type FakeOptions, rowOf, tilegrad } from './fakes.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tilegrad-resume-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

/** Two experiments that share a training; the second has another one too. */
const experiments = (network: Network) => [
  rowOf(network, 'A1', { baseline: {} }),
  rowOf(network, 'A2', { baseline: {}, longer: { epochs: 4 } }),
];

const run = (words: string, options: Parameters<typeof tilegrad>[1] = {}) =>
  tilegrad(['run', ...words.split(' '), '--out', out], { experiments, ...options });

const folders = () => readdirSync(out).sort();
const folderAt = (index: number) => join(out, folders().at(index)!);
const recordIn = (folder: string): RunRecord =>
  runRecord.parse(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')));
const edit = (folder: string, change: (record: RunRecord) => void) => {
  const record = recordIn(folder);
  change(record);
  writeFileSync(join(folder, 'run.json'), JSON.stringify(record));
};
const fail = () => {
  throw new DeviceLostError('as far as here');
};
/** Writes a lock file as if another process were running the run. */
const lockedBy = (folder: string, change: object) => {
  const path = join(folder, 'run.lock');
  rmSync(path, { force: true });
  tryLock(path);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
};
const partsIn = (folder: string) => readdirSync(join(folder, 'parts')).sort();

/** A coursework that was stopped in its last training. */
async function interruptRun(words = 'A', options: FakeOptions = {}): Promise<string> {
  const io = new FakeIo();
  let epochs = 0;
  // The first training has three epochs.
  const { code } = await run(words, { io, ...options, duringEpoch: () => ++epochs === 5 && io.pressCtrlC() });
  expect(code).toBe(1);
  return folderAt(-1);
}

describe('a coursework', () => {
  test('trains once what its experiments share, and has one report', async () => {
    const { code, out: text, log } = await run('A');
    expect(code).toBe(0);
    expect(log.fits.map(({ epochs }) => epochs)).toEqual([3, 4]);
    expect(text).toContain('A2: baseline is done already');
    const folder = folderAt(0);
    expect(folder).toMatch(/-A$/);
    const record = recordIn(folder);
    expect(record).toMatchObject({ id: 'A', title: 'LeNet-5', status: 'finished' });
    expect(record.rows.map(({ id, status }) => [id, status])).toEqual([
      ['A1', 'finished'],
      ['A2', 'finished'],
    ]);
    expect(record.trainings.map(({ name, row, kept }) => [name, row, kept])).toEqual([
      ['baseline', 'A1', false],
      ['longer', 'A2', false],
    ]);
    expect(partsIn(folder).map((name) => name.replace(/-[0-9a-f]{16}\.json$/, ''))).toEqual([
      'baseline',
      'longer',
      'seeds-of-a1',
      'seeds-of-a2',
    ]);
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    for (const title of ['Overview', 'A1: LeNet-5 on CIFAR-10', 'A2: LeNet-5']) expect(page).toContain(title);
  });

  test('resumes, with the same results as if it had not been interrupted', async () => {
    await run('A --seed 4', { kind: 'folder' });
    const whole = recordIn(folderAt(0));
    const folder = await interruptRun('A --seed 4', { kind: 'folder' });
    expect(recordIn(folder)).toMatchObject({
      status: 'interrupted',
      rows: [{ status: 'finished' }, { status: 'interrupted' }],
    });
    const { code, log, out: text } = await run('A --resume', { kind: 'folder' });
    expect(code).toBe(0);
    expect(text).toContain(`Resuming in ${folder}`);
    expect(log.fits.map(({ epochs, seed }) => [epochs, seed])).toEqual([[4, 4]]);
    expect(folders()).toHaveLength(2);
    const record = recordIn(folder);
    expect(record).toMatchObject({ status: 'finished', request: { id: 'A', scale: 'full', seed: 4 } });
    const rowsWithoutTimes = ({ rows }: RunRecord) => rows.map(({ seconds: _, ...row }) => row);
    expect(rowsWithoutTimes(record)).toEqual(rowsWithoutTimes(whole));
    const resultsOf = ({ trainings }: RunRecord) =>
      trainings.map(({ name, histories, evaluations }) => ({ name, histories, evaluations }));
    expect(resultsOf(record)).toEqual(resultsOf(whole));
    expect(record.trainings.map(({ kept }) => kept)).toEqual([true, false]);
    expect(record.timings.startedAt < record.timings.finishedAt!).toBe(true);
  });

  test('an error in one experiment keeps the finished ones, and --resume continues after them', async () => {
    let broken = true;
    const duringEpoch = (epoch: number) => {
      if (broken && epoch === 4) throw new DeviceLostError('the driver was reset');
    };
    const failed = await run('A', { duringEpoch });
    expect(failed.code).toBe(1);
    expect(recordIn(folderAt(0))).toMatchObject({
      status: 'failed',
      error: { code: 'DEVICE_LOST' },
      rows: [{ status: 'finished' }, { status: 'failed', error: { message: 'the driver was reset' } }],
    });
    broken = false;
    const { code, log } = await run('A --resume', { duringEpoch });
    expect({ code, fits: log.fits.length }).toEqual({ code: 0, fits: 1 });
    const { status, error, rows } = recordIn(folderAt(0));
    expect({ status, error, errors: rows.map((row) => row.error) }).toEqual({
      status: 'finished',
      error: undefined,
      errors: [undefined, undefined],
    });
  });

  test.each([
    ['before the first row', { openDevice: 'stops' }, 1],
    ['by an error before the first row', { openDevice: 'fails' }, 1],
    ['by a saved result that cannot be read', { part: 'seeds-of-a3' }, 1],
  ] as const)('loses nothing if it is stopped again, %s', async (_what, how, code) => {
    const three = (network: Network) => [
      rowOf(network, 'A3', { first: {} }),
      ...experiments(network),
      rowOf(network, 'A4', { last: {} }),
    ];
    const stopping = new FakeIo();
    let epochs = 0;
    // The first three experiments have ten epochs.
    const duringEpoch = () => ++epochs === 11 && stopping.pressCtrlC();
    await run('A', { experiments: three, io: stopping, duringEpoch: duringEpoch as () => void });
    const folder = folderAt(0);
    const before = recordIn(folder);
    expect(before.rows.map(({ status }) => status)).toEqual(['finished', 'finished', 'finished', 'interrupted']);
    if ('part' in how) {
      const path = join(folder, 'parts', partsIn(folder).find((name) => name.startsWith(how.part))!);
      writeFileSync(path, '');
    }
    const io = new FakeIo();
    const openDevice = () => {
      if ('openDevice' in how && how.openDevice === 'fails') throw new DeviceLostError('it is gone');
      if ('openDevice' in how) io.pressCtrlC();
    };
    expect((await run('A --resume', { experiments: three, io, openDevice: openDevice as () => never })).code).toBe(
      code,
    );
    const { rows, trainings } = recordIn(folder);
    const kept = 'part' in how ? [1, 2] : [0, 1, 2];
    for (const i of kept) expect(rows[i]).toEqual(before.rows[i]);
    expect(trainings.map(({ name, status }) => [name, status]).slice(0, 3)).toEqual([
      ['first', 'finished'],
      ['baseline', 'finished'],
      ['longer', 'finished'],
    ]);
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('A2: LeNet-5');
    if ('part' in how) return;
    expect((await run('A --resume', { experiments: three })).log.fits).toHaveLength(1);
    expect(recordIn(folder).trainings.map(({ name }) => name)).toEqual(['first', 'baseline', 'longer', 'last']);
  });

  test('--resume FOLDER of a finished run writes it again without training', async () => {
    await run('A1');
    const { code, log } = await run(`A1 --resume ${folderAt(0)}`);
    expect({ code, fits: log.fits }).toEqual({ code: 0, fits: [] });
    expect(recordIn(folderAt(0)).status).toBe('finished');
  });

  test('--resume without a folder uses the newest unfinished run of that id', async () => {
    const first = await interruptRun();
    await interruptRun();
    await run('A1');
    expect((await run('A --resume')).out).toContain(`Resuming in ${folderAt(1)}`);
    expect((await run('A --resume')).out).toContain(`Resuming in ${first}`);
    const none = await run('A --resume');
    expect(none.code).toBe(2);
    expect(none.err).toContain(`no unfinished run of A in ${out}`);
    expect((await run('A1 --resume')).code).toBe(2);
  });

  test('--resume without a folder skips newer runs that are damaged or still running, and says so', async () => {
    const [first, running, damaged] = [await interruptRun(), await interruptRun(), await interruptRun()];
    lockedBy(running, {});
    writeFileSync(join(damaged, 'run.json'), '{"schemaVersion": 2, "kind"');
    mkdirSync(join(out, '99990101-000000-A'));
    const { code, out: text, err } = await run('A --resume');
    expect({ code, isResumed: text.includes(`Resuming in ${first}`) }).toEqual({ code: 0, isResumed: true });
    const skippedRuns = [
      [damaged, 'run.json is not JSON, or cut short'],
      [running, `process ${process.pid} is still running it`],
      [join(out, '99990101-000000-A'), 'there is no'],
    ] as const;
    for (const [folder, why] of skippedRuns) expect(err).toMatch(new RegExp(`Note: --resume: ${folder} .*${why}`));
    const none = await run('A --resume --json');
    expect(none.code).toBe(2);
    for (const [folder, why] of skippedRuns) {
      expect(JSON.parse(none.out).error.message).toMatch(new RegExp(`no unfinished[^]*${folder} .*${why}`));
    }
  });

  test('removes a backup of a finished training that a killed session left', async () => {
    const folder = await interruptRun();
    const name = partsIn(folder)
      .find((one) => one.startsWith('baseline'))!
      .replace('.json', '.safetensors');
    mkdirSync(join(folder, 'backups'), { recursive: true });
    writeFileSync(join(folder, 'backups', name), 'a backup');
    expect((await run('A --resume')).code).toBe(0);
    expect(readdirSync(folder)).not.toContain('backups');
  });

  test('counts the kernels that were chosen in all sessions', async () => {
    await run('A', { kind: 'folder' });
    const whole = recordIn(folderAt(0));
    expect(whole.tuning.choices).toEqual({ 'matmul m=3': 'naive', 'matmul m=4': 'naive' });
    const folder = await interruptRun('A', { kind: 'folder' });
    const resumed = await run('A --resume', { kind: 'folder' });
    expect(resumed.log.fits.map(({ epochs }) => epochs)).toEqual([4]);
    expect(recordIn(folder).tuning).toEqual(whole.tuning);
    await run(`A --resume ${folder}`, { kind: 'folder' }); // in which nothing is trained
    expect(recordIn(folder).tuning).toEqual(whole.tuning);
  });

  test('--resume of a finished run without a report writes the report, and trains nothing', async () => {
    await run('A1');
    const folder = folderAt(0);
    rmSync(join(folder, 'report.html'));
    const { code, out: text, log } = await run('A1 --resume');
    expect({ code, fits: log.fits }).toEqual({ code: 0, fits: [] });
    expect(text).toContain(`Resuming in ${folder}`);
    expect(readdirSync(folder)).toContain('report.html');
    expect((await run('A1 --resume')).code).toBe(2);
  });

  test('finds its data from another working folder', async () => {
    const folder = await interruptRun('A --data some/data');
    expect(recordIn(folder)).toMatchObject({
      request: { data: resolve('some/data') },
      command: expect.stringContaining(`--data ${resolve('some/data')} `),
    });
    expect((await run(`A --resume ${folder}`)).log.asked).toEqual([{ dir: resolve('some/data') }]);
  });
});

describe('--resume exits with an error, and leaves the folder unchanged, for', () => {
  const expectRefused = async (words: string, options: Parameters<typeof tilegrad>[1], ...says: string[]) => {
    const before = folders().map((name) => readFileSync(join(out, name, 'run.json'), 'utf8'));
    const { code, err, log } = await run(words, options);
    expect(log.fits).toEqual([]);
    for (const text of says) expect(err).toContain(text);
    expect(folders().map((name) => readFileSync(join(out, name, 'run.json'), 'utf8'))).toEqual(before);
    return code;
  };

  test('another experiment', async () => {
    const folder = await interruptRun();
    expect(
      await expectRefused(
        `A1 --resume ${folder}`,
        {},
        'a run of A, not of A1',
        `npx tilegrad run A --resume ${folder}`,
      ),
    ).toBe(2);
    const spaced = join(out, 'of last week-A');
    renameSync(folder, spaced);
    const { err } = await tilegrad(['run', 'A1', '--resume', spaced], { experiments });
    expect(err).toContain(`npx tilegrad run A --resume '${spaced}'`);
  });

  test.each([
    ['--scale full', '--scale short'],
    ['--seed 7', '--seed 1'],
    ['--epochs 9', 'without --epochs'],
    ['--replicas 2', 'without --replicas'],
    ['--limit 300', 'without --limit'],
    ['--batch 10', 'without --batch'],
    ['--lr 0.5', 'without --lr'],
  ])('another %s', async (option, says) => {
    await interruptRun();
    expect(await expectRefused(`A --resume ${option}`, {}, says, option)).toBe(2);
  });

  test('another --runs 2, the older name of --replicas', async () => {
    await interruptRun();
    expect(await expectRefused('A --resume --runs 2', {}, 'without --replicas', '--replicas 2')).toBe(2);
  });

  test('no error if the options are the same', async () => {
    await interruptRun('A --epochs 3');
    expect((await run('A --resume --epochs 3 --seed 1')).code).toBe(0);
  });

  test('another data set', async () => {
    await interruptRun();
    expect(await expectRefused('A --resume', { label: 3 }, 'other images of cifar10')).toBe(1);
  });

  test('another adapter, or another version of tilegrad', async () => {
    const folder = await interruptRun();
    edit(folder, (record) => {
      record.adapter.name = 'a graphics card';
    });
    expect(await expectRefused('A --resume', {}, 'started on a graphics card', 'llvmpipe (fake)')).toBe(1);
    edit(folder, (record) => {
      record.adapter.name = 'llvmpipe (fake)';
      record.versions.tilegrad = '9.0.0';
    });
    expect(await expectRefused('A --resume', {}, 'started with tilegrad 9.0.0')).toBe(1);
  });

  test('a run that another process is still running', async () => {
    const folder = await interruptRun();
    lockedBy(folder, {});
    const says = [`process ${process.pid} is still running it`, `delete ${join(folder, 'run.lock')}`];
    expect(await expectRefused(`A --resume ${folder}`, {}, ...says)).toBe(2);
    expect(await expectRefused('A --resume', {}, 'no unfinished run of A', ...says)).toBe(2);
    lockedBy(folder, { host: 'elsewhere' });
    expect(
      await expectRefused(
        `A --resume ${folder}`,
        {},
        `process ${process.pid} on elsewhere (seen 0 s ago) is still running it`,
      ),
    ).toBe(2);
    lockedBy(folder, { pid: 2147483646 }); // no process has that number
    expect((await run('A --resume --json', { duringEpoch: fail })).err).toContain('as far as here');
    expect((await run('A --resume')).code).toBe(0);
    expect(readdirSync(folder)).not.toContain('run.lock');
  });

  test('a run that is refused or fails leaves no lock file', async () => {
    const folder = await interruptRun();
    expect(readdirSync(folder)).not.toContain('run.lock');
    for (const words of ['A --resume --epochs 9', `A1 --resume ${folder}`]) expect((await run(words)).code).toBe(2);
    expect((await run('A --resume', { label: 3 })).code).toBe(1);
    expect(readdirSync(folder)).not.toContain('run.lock');
  });

  test('a run is locked while it runs, whether new or resumed', async () => {
    const seen: string[] = [];
    const duringEpoch = () => void seen.push(lockHolder(join(folderAt(0), 'run.lock')) ?? 'nobody');
    await run('A1', { duringEpoch });
    rmSync(join(folderAt(0), 'parts'), { recursive: true });
    await run(`A1 --resume ${folderAt(0)}`, { duringEpoch });
    expect(seen).toEqual(Array(6).fill(`process ${process.pid}`));
    expect(readdirSync(folderAt(0))).not.toContain('run.lock');
  });

  test('kernels measured since, or another version of Dawn', async () => {
    const folder = await interruptRun('A', { measured: 2 });
    expect(await expectRefused('A --resume', { measured: 3 }, 'tilegrad tune` has selected other kernels')).toBe(1);
    edit(folder, (record) => {
      record.versions.webgpu = '0.0.1';
    });
    expect(await expectRefused('A --resume', { measured: 2 }, 'started with webgpu 0.0.1')).toBe(1);
  });

  test('a folder without a run, or a record that has another version or is truncated', async () => {
    expect((await run(`A --resume ${join(out, 'nowhere')}`)).err).toContain('there is no');
    const folder = await interruptRun();
    for (const [text, says] of [
      ['{"schemaVersion": 1}', 'version 1; this tilegrad reads version 2'],
      ['{"schemaVersion": 2, "kind"', 'cut short'],
    ] as const) {
      writeFileSync(join(folder, 'run.json'), text);
      expect(await expectRefused(`A --resume ${folder}`, {}, says)).toBe(1);
    }
  });
});

describe('a saved result that cannot be used is named, with what to do', () => {
  const withoutSum = (text: string) => text.replace(/,"crc32c":"[0-9a-f]{8}"/, '');
  test.each<[string, (text: string) => string, string]>([
    ['cut short', (text) => text.slice(0, 100), 'cut short'],
    ['changed', (text) => text.replace('"name":"baseline"', '"name":"baselinf"'), 'is damaged'],
    ['empty', () => '', 'cut short'],
    ['of another version', (text) => text.replace('"schemaVersion":1', '"schemaVersion":2'), 'is of version 2'],
    [
      'of another name',
      (text) => withoutSum(text).replace('"name":"baseline"', '"name":"other"'),
      'does not hold the result baseline',
    ],
    ['of another kind', (text) => withoutSum(text).replace('"histories"', '"history"'), 'histories: '],
    ['no part at all', () => '[]', 'does not hold the result baseline'],
  ])('%s', async (_what, change, says) => {
    const folder = await interruptRun();
    const path = join(folder, 'parts', partsIn(folder).find((name) => name.startsWith('baseline'))!);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
    const { code, err, log } = await run('A --resume');
    expect(code).toBe(1);
    for (const text of [path, says, 'Delete it']) expect(err).toContain(text);
    expect(log.fits).toEqual([]);
    rmSync(path);
    expect((await run('A --resume')).code).toBe(0);
  });

  test('a saved result of other code is not used', async () => {
    const folder = await interruptRun();
    const changedExperiments = (network: Network) => [
      rowOf(network, 'A1', { baseline: { shuffle: false } }),
      rowOf(network, 'A2', { baseline: { shuffle: false } }),
    ];
    const { code, log, out: text } = await run('A --resume', { experiments: changedExperiments });
    expect({ code, fits: log.fits.length }).toEqual({ code: 0, fits: 1 });
    expect(text).toContain('the saved result baseline is from other settings or code');
    expect(partsIn(folder).filter((name) => name.startsWith('baseline'))).toHaveLength(2);
  });
});
