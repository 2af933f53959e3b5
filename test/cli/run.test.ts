import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AdapterError, DeviceLostError } from '../../src/base/errors.ts';
import { QUICK_NOTE } from '../../src/report/comparison.ts';
import { type RunRecord, runRecord } from '../../src/report/run-record.ts';
import { FakeIo, fakeProfile, tilegrad } from './fakes.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tilegrad-run-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

/** Files of a run; a run that was stopped in its first training has no `parts`. */
const unfinished = ['figures', 'report.html', 'report.json', 'run.json'];
const whole = ['figures', 'parts', 'report.html', 'report.json', 'run.json'];
const figureFiles = (...names: string[]) =>
  names.flatMap((name) => ['json', 'png', 'svg'].map((end) => `${name}.${end}`));

/** The only run folder, and its record, checked against the schema. */
function result(): { folder: string; files: string[]; record: RunRecord } {
  const folders = readdirSync(out);
  expect(folders).toHaveLength(1);
  const folder = join(out, folders[0]!);
  const record = runRecord.parse(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')));
  return { folder, files: readdirSync(folder).sort(), record };
}

describe('a run that finishes', () => {
  test('prints adapter, source, summary, a line per epoch and the comparison; writes record, report and figures', async () => {
    const { code, out: text, err, log, io } = await tilegrad(['run', 'a1', '--out', out]);
    expect(code).toBe(0);
    const { folder, files, record } = result();
    expect(folder).toMatch(/[/\\]\d{8}-\d{6}-A1$/);
    expect(files).toEqual(whole);
    expect(readdirSync(join(folder, 'figures')).sort()).toEqual(figureFiles('accuracy', 'loss', 'model'));
    expect(text).toContain('llvmpipe (fake), Mesa 25.0.7 (software adapter: the kernels run on the CPU)');
    expect(text).toContain('not the full data set: to get it, run `npx tilegrad data fetch cifar10`');
    expect(text).toContain('Model: "fake"');
    expect(text).toContain('Epoch 3/3  loss 0.5000  accuracy 0.8750  val_loss 0.6000  val_accuracy 0.7750');
    expect(text).toMatch(/test accuracy +│ +0\.6022 │ +0\.5100 │ +-9\.22 points │/); // far off, but on a sample
    expect(text).toContain(QUICK_NOTE);
    expect(text).toMatch(/test +[▁▂▃▄▅▆▇█]{3} {2}0\.65 → 0\.775\n/);
    expect(text).toContain(join(folder, 'report.html'));
    expect(text).toContain('trained on the bundled sample');
    expect(text).toContain(folder);
    expect(err).toBe('');
    expect(record).toMatchObject({
      status: 'finished',
      request: { id: 'A1', scale: 'short', seed: 1 },
      rows: [{ id: 'A1', status: 'finished', seeds: [1], settings: { epochs: 3, batchSize: 256, replicas: 1 } }],
      data: { cifar10: { kind: 'sample', trainImages: 1000 } },
      probe: { lanes: 'ok', denormals: 'flushed', notes: [] },
      counters: { dispatches: 7 },
      versions: { node: process.versions.node },
    });
    expect(record.trainings[0]!.histories[0]!.map((logs) => logs.epoch)).toEqual([1, 2, 3]);
    expect(record.trainings[0]!.evaluations).toEqual([{ loss: 1, accuracy: 0.51 }]);
    expect(record.timings.finishedAt).not.toBeNull();
    expect(log.disposed).toEqual(['model 1', 'loader', 'device']); // training and test images are the same here
    expect(io.handlers.size).toBe(0);
  });

  test('a model whose loss is NaN at the end is named on the terminal, in run.json and in the report; the exit code is 1', async () => {
    const { code, out: text } = await tilegrad(['run', 'A1', '--replicas', '3', '--out', out], { diverging: [2] });
    expect(code).toBe(1);
    const { folder, record } = result();
    const warning = 'training baseline: the loss of the model of seed 2 is not a finite number at the end';
    expect(text.split(`Warning: ${warning}`)).toHaveLength(3); // as the training ends, and below the results
    expect(record).toMatchObject({ status: 'finished', trainings: [{ name: 'baseline', diverged: [2] }] });
    const html = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(html).toContain('What went wrong');
    expect(html).toContain(warning);
    const shown = await tilegrad(['report', folder]);
    expect(shown.out).toContain(warning);
    const again = await tilegrad(['run', 'A1', '--replicas', '3', '--json', '--out', out], { diverging: [1, 2, 3] });
    expect(again.code).toBe(1);
    expect(JSON.parse(again.out).trainings[0].diverged).toEqual([1, 2, 3]);
    expect(again.err).toContain('the loss of every model is not a finite number');
  });

  test('options reach the data, the model and the optimizer, and are listed if they make the comparison unfair', async () => {
    const options = '--data /d --epochs 2 --batch 50 --lr 1e-2 --seed 7 --limit 100'.split(' ');
    const { code, log } = await tilegrad(['run', 'A1', ...options, '--out', out], { kind: 'folder' });
    expect(code).toBe(0);
    expect(log.asked).toEqual([{ dir: '/d' }]);
    expect(log.fits).toEqual([{ epochs: 2, batchSize: 50, seed: 7, replicas: 1, samples: 100 }]);
    expect(result().record.rows[0]!.settings).toMatchObject({ learningRate: 0.01 });
    expect(result().record.command).toBe(
      'npx tilegrad run A1 --data /d --scale full --seed 7 --epochs 2 --batch 50 --lr 0.01 --limit 100',
    );
    expect(result().record.rows[0]!.reduced).toEqual([
      'the first 100 training images only',
      'epochs 2 instead of 3',
      'batch size 50 instead of 256',
      'learning rate 0.01 instead of 0.001',
    ]);
  });

  test('the full data with the published settings is compared without a reservation', async () => {
    const { out: text } = await tilegrad(['run', 'A1', '--out', out], { kind: 'archive' });
    expect(result().record.rows[0]!.reduced).toEqual([]);
    expect(result().record.request.scale).toBe('full');
    expect(text).not.toContain('like for like');
    expect(text).not.toContain('sample:');
  });

  test('--replicas trains models with consecutive seeds into one record, and reports mean and deviation', async () => {
    const { code, out: text, log } = await tilegrad(['run', 'A1', '--replicas', '3', '--seed', '5', '--out', out]);
    expect(code).toBe(0);
    const { record, folder } = result();
    expect(record.command).toBe('npx tilegrad run A1 --scale short --seed 5 --replicas 3');
    expect(record.rows[0]!.seeds).toEqual([5, 6, 7]);
    expect(record.trainings.map(({ seeds }) => seeds)).toEqual([[5, 6, 7]]);
    expect(text).toContain('A1: training baseline, 3 models, seeds 5 to 7');
    expect(text).toContain('0.5600 (sd 0.0100, 3 runs)');
    expect(readFileSync(join(folder, 'figures', 'accuracy.svg'), 'utf8')).toContain('thin: 3 runs');
    expect(log.fits).toEqual([{ epochs: 3, batchSize: 256, seed: 5, replicas: 3, samples: 1000 }]);
    expect(log.disposed).toContain('model 5 6 7');
  });

  test('--json prints only the record on stdout', async () => {
    const { code, out: text, err } = await tilegrad(['run', 'A1', '--out', out, '--json']);
    expect(code).toBe(0);
    const { folder, ...record } = JSON.parse(text);
    expect(folder).toBe(result().folder);
    expect(record).toEqual(result().record);
    expect(err).toContain('Epoch 1/3');
  });
});

describe('the choice of kernels', () => {
  test('without a cache they are chosen by rule; the run says so, and how to change it', async () => {
    const { out: text } = await tilegrad(['run', 'A1', '--out', out]);
    expect(text).toContain('Kernels: chosen by rules that were measured on such adapters; `npx tilegrad tune`');
    expect(result().record.tuning).toEqual({
      ...{ measured: 0, measuredHash: 'of 0', file: null },
      ...{ choices: { 'matmul m=3': 'naive' }, choicesHash: 'of matmul m=3' },
    });
  });

  test('kernels chosen by measurement are reported with the file', async () => {
    const { out: text } = await tilegrad(['run', 'A1', '--out', out], { measured: 11 });
    expect(text).toContain('Kernels: chosen by measurement for 11 operators and sizes (/cache/tuning.json)');
    expect(result().record.tuning).toEqual({
      ...{ measured: 11, measuredHash: 'of 11' },
      ...{ file: '/cache/tuning.json', choices: { 'matmul m=3': 'naive' }, choicesHash: 'of matmul m=3' },
    });
  });

  test('an unusable cache is reported once, and the run continues', async () => {
    const { code, err } = await tilegrad(['run', 'A1', '--out', out], { tuningWarning: 'the cache is ignored' });
    expect(code).toBe(0);
    expect(err).toBe('Note: the cache is ignored\n');
  });
});

describe('--profile', () => {
  test('prints the table after the training, and writes profile and trace', async () => {
    const { code, out: text, log } = await tilegrad(['run', 'A1', '--profile', '--batch', '50', '--out', out]);
    expect(code).toBe(0);
    const { folder, files } = result();
    expect(files).toEqual([...whole, 'profile.json', 'trace.json'].sort());
    expect(log).toMatchObject({ fineTimestamps: true, profiled: [{ samples: 1000, batchSize: 50 }] });
    expect(text).toMatch(/matmul │ \[8,4\] -> \[8,2\] │ +1 │ 2\.00 │ 100\.0%/);
    expect(text.indexOf('matmul')).toBeGreaterThan(text.indexOf('Epoch 3/3'));
    const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
    expect(read('profile.json')).toEqual(fakeProfile);
    expect(read('trace.json').traceEvents.at(-1)).toMatchObject({ name: 'matmul', ph: 'X', ts: 0, dur: 2000 });
  });

  test("maps labels to the network's outputs, because an experiment may train on some of the classes", async () => {
    const { log } = await tilegrad(['run', 'A1', '--profile', '--out', out], { label: 23 });
    expect(log.profiled).toMatchObject([{ labels: [3], classes: 10 }]);
  });

  test('with --json the profile is part of the one document', async () => {
    const { out: text } = await tilegrad(['run', 'A1', '--profile', '--json', '--out', out]);
    expect(JSON.parse(text).profile).toEqual(fakeProfile);
  });

  test('is skipped for a run that was stopped', async () => {
    const io = new FakeIo();
    const { log } = await tilegrad(['run', 'A1', '--profile', '--out', out], {
      io,
      duringEpoch: () => io.pressCtrlC(),
    });
    expect(log.profiled).toEqual([]);
    expect(result().files).toEqual(unfinished);
  });
});

test('a batch larger than the data is all of the data, and the report states it', async () => {
  const { code, log } = await tilegrad(['run', 'A1', '--limit', '200', '--out', out]);
  expect(code).toBe(0);
  expect(log.fits.map(({ batchSize, samples }) => [batchSize, samples])).toEqual([[200, 200]]);
  const [row] = result().record.rows;
  expect(row).toMatchObject({ settings: { batchSize: 200 } });
  expect(JSON.stringify(row)).toContain('batch size 200 instead of 256');
});

describe('an impossible request writes nothing', () => {
  test('--limit beyond the data: the error states how many images there are', async () => {
    for (const limit of ['1001', '99999999']) {
      const { code, err, log } = await tilegrad(['run', 'A1', '--limit', limit, '--out', join(out, 'new')]);
      expect({ code, opened: log.opened }).toEqual({ code: 2, opened: 0 });
      expect(err).toContain(`--limit ${limit}: there are fewer training images: 1,000 of cifar10 (1000 images)`);
    }
    expect(readdirSync(out)).toEqual([]);
    expect((await tilegrad(['run', 'A1', '--limit', '1000', '--out', out])).code).toBe(0);
  });

  test('an --out that cannot be a folder', async () => {
    writeFileSync(join(out, 'file'), 'mine');
    for (const path of [join(out, 'file'), join(out, 'file', 'below', 'it')]) {
      const { code, err, log } = await tilegrad(['run', 'A1', '--out', path]);
      expect(code).toBe(1);
      expect(err).toContain(path);
      expect(err).toContain('a file, not a folder');
      expect(log.opened).toBe(0);
    }
    expect(readFileSync(join(out, 'file'), 'utf8')).toBe('mine');
  });

  test('no adapter', async () => {
    const openDevice = () => {
      throw new AdapterError('no adapter; run `npx tilegrad setup`');
    };
    const { code, err, io } = await tilegrad(['run', 'A1', '--out', join(out, 'new')], { openDevice });
    expect(code).toBe(1);
    expect(err).toBe('error: no adapter; run `npx tilegrad setup`\n');
    expect(existsSync(join(out, 'new'))).toBe(false);
    expect(io.handlers.size).toBe(0);
  });
});

describe('a run that is stopped', () => {
  test('Ctrl-C keeps finished epochs and exits with 1', async () => {
    const io = new FakeIo();
    const duringEpoch = (epoch: number) => epoch === 3 && io.pressCtrlC();
    const { code, err, log } = await tilegrad(['run', 'A1', '--out', out], { io, duringEpoch });
    expect(code).toBe(1);
    const { folder, files, record } = result();
    expect(err).toContain(
      `interrupted after epoch 2 of baseline (\`npx tilegrad run A1 --resume ${folder}\` resumes it); results saved in ${folder}`,
    );
    expect(err).toContain('press Ctrl-C again');
    expect(files).toEqual(unfinished);
    expect(readdirSync(join(folder, 'figures')).sort()).toEqual(figureFiles('accuracy', 'loss', 'model'));
    expect(record).toMatchObject({ status: 'interrupted', rows: [{ status: 'interrupted', sections: [] }] });
    expect(record.trainings[0]).toMatchObject({ status: 'interrupted', evaluations: [] });
    expect(record.trainings[0]!.histories[0]).toHaveLength(2);
    expect(log.disposed.at(-1)).toBe('device');
    expect(io.exitCodes).toEqual([]);
  });

  test('the command that resumes can be pasted if the path has a space', async () => {
    const io = new FakeIo();
    const spaced = join(out, 'my runs');
    const { err } = await tilegrad(['run', 'A1', '--out', spaced], { io, duringEpoch: () => io.pressCtrlC() });
    expect(err).toContain(`(\`npx tilegrad run A1 --resume '${join(spaced, readdirSync(spaced)[0]!)}'\` resumes it)`);
  });

  test('Ctrl-C in the first epoch writes a record and a report without curves', async () => {
    const io = new FakeIo();
    const { code, out: text } = await tilegrad(['run', 'A1', '--out', out, '--json'], {
      io,
      duringEpoch: () => io.pressCtrlC(),
    });
    expect(code).toBe(1);
    expect(JSON.parse(text).error.code).toBe('ABORTED');
    const { folder, files } = result();
    expect(files).toEqual(unfinished);
    expect(readdirSync(join(folder, 'figures')).sort()).toEqual(figureFiles('model'));
  });

  test('Ctrl-C with three replicas keeps the epochs of each', async () => {
    const io = new FakeIo();
    const duringEpoch = (epoch: number) => epoch === 2 && io.pressCtrlC();
    const { err } = await tilegrad(['run', 'A1', '--replicas', '3', '--out', out], { io, duringEpoch });
    expect(err).toContain('interrupted after epoch 1 of baseline');
    const { record } = result();
    expect(record.trainings[0]!.histories.map((epochs) => epochs.length)).toEqual([1, 1, 1]);
    expect(record.trainings[0]!.evaluations).toEqual([]);
  });

  test('a second Ctrl-C exits at once with 130, except an echo of the first that npm passes on', async () => {
    for (const [milliseconds, codes] of [
      [10, []],
      [2000, [130]],
    ] as const) {
      const io = new FakeIo();
      const duringEpoch = () => {
        const clock = vi.spyOn(performance, 'now');
        clock.mockReturnValue(5000);
        io.pressCtrlC();
        clock.mockReturnValue(5000 + milliseconds);
        io.pressCtrlC();
        clock.mockRestore();
      };
      const { code } = await tilegrad(['run', 'A1', '--out', out], { io, duringEpoch });
      expect(code).toBe(1);
      expect(io.exitCodes).toEqual(codes);
    }
  });

  test('an error in training keeps finished epochs, and is recorded', async () => {
    const duringEpoch = (epoch: number) => {
      if (epoch === 2) throw new DeviceLostError('the driver was reset');
    };
    const { code, err, log } = await tilegrad(['run', 'A1', '--out', out], { duringEpoch });
    expect(code).toBe(1);
    const { record, folder, files } = result();
    expect(err).toBe(`What finished before the error is saved in ${folder}\nerror: the driver was reset\n`);
    expect(record).toMatchObject({ status: 'failed', error: { code: 'DEVICE_LOST', message: 'the driver was reset' } });
    expect(record.trainings[0]!.histories[0]).toHaveLength(1);
    expect(files).toEqual(unfinished);
    expect(readdirSync(join(folder, 'figures')).sort()).toEqual(figureFiles('accuracy', 'loss', 'model'));
    expect(log.disposed.at(-1)).toBe('device');
  });

  test('run.json has status finished only once the report is written', async () => {
    // A folder with the name of the page makes writing the report fail.
    const duringEpoch = () => mkdirSync(join(result().folder, 'report.html', 'in the way'), { recursive: true });
    const { code, err } = await tilegrad(['run', 'A1', '--out', out], { duringEpoch });
    expect(code).toBe(1);
    expect(err).toContain('cannot write to');
    const { folder, record } = result();
    expect(err).toContain(`\`npx tilegrad run A1 --resume ${folder}\` writes the report`);
    expect(record.rows[0]!.status).toBe('finished');
    expect(record.status).not.toBe('finished');
    rmSync(join(folder, 'report.html'), { recursive: true });
    const { code: resumed, log } = await tilegrad(['run', 'A1', '--resume', '--out', out]);
    expect({ resumed, fits: log.fits }).toEqual({ resumed: 0, fits: [] });
    expect(result().record.status).toBe('finished');
    expect(result().files).toContain('report.html');
  });

  test('run.json is complete after each epoch, so that a killed process loses no epoch', async () => {
    const seen: number[] = [];
    await tilegrad(['run', 'A1', '--out', out], {
      duringEpoch: () => {
        const { record } = result();
        expect(record.status).toBe('running');
        seen.push(record.trainings[0]?.histories[0]?.length ?? 0);
      },
    });
    expect(seen).toEqual([0, 1, 2]);
  });
});
