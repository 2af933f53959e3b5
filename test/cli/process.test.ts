import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { type RunRecord, runRecord } from '../../src/report/run-record.ts';
import { cifarBatch, smallCifar, writeFiles } from '../data/helpers.ts';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

// The command as users run it: bundled, in a separate process, on the real engine.

const cli = bundleBeforeTests('src/cli/main.ts');
const out = mkdtempSync(join(tmpdir(), 'tilegrad-process-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** Runs the command until it ends by itself; `onError` gets the stderr so far and may send a signal. */
const tilegrad = (words: string[], onError?: (err: string, interrupt: () => void) => void) =>
  runToEnd([cli, ...words], { cwd: out, onError });

test('wrong usage exits with 2', async () => {
  const { code, err } = await tilegrad(['run', 'A1', '--epochs', '0']);
  expect(code).toBe(2);
  expect(err).toContain('--epochs takes a whole number from 1 to 100000');
});

test('a module that awaits a promise that never settles exits with 1 and a message', async () => {
  // Imported, as bin/tilegrad.mjs does: for the main module, Node itself would print a warning.
  const entry = join(out, 'entry.mjs');
  writeFileSync(entry, `import(${JSON.stringify(pathToFileURL(cli).href)});`);
  writeFileSync(join(out, 'never.mjs'), 'await new Promise(() => {});\nexport default {};\n');
  const { code, err } = await runToEnd([entry, 'run', './never.mjs'], { cwd: out });
  expect([code, err]).toEqual([1, expect.stringMatching(/^error: nothing is left to wait for, .*never settles\n$/)]);
});

test.runIf(existsSync('/dev/full'))('output to a full disk ends with an error without a stack trace', () => {
  const words = ['-c', '"$0" "$@" > /dev/full', process.execPath, cli, 'list'];
  const { status, stderr } = spawnSync('sh', words, { cwd: out, encoding: 'utf8' });
  expect([status, stderr]).toEqual([1, 'the output cannot be written: the disk is full\n']);
});

describe('an impossible request exits with 1 and a typed error, and creates no folder', () => {
  /** Runs `run A1 --json` on some data, and returns the error on stdout. */
  async function failedRun(data: string, env?: NodeJS.ProcessEnv): Promise<{ code: string; message: string }> {
    const results = join(out, 'failed');
    const words = [cli, 'run', 'A1', '--json', '--batch', '5', '--out', results, ...(data ? ['--data', data] : [])];
    const { code, out: text, err } = await runToEnd(words, { cwd: out, env });
    expect(code, err).toBe(1);
    expect(existsSync(results)).toBe(false);
    const { error } = JSON.parse(text);
    expect(err).toContain(error.message.replaceAll('\n', '\n  ')); // its further lines indented
    return error;
  }

  test.each<[string, Record<string, Uint8Array>, string]>([
    ['missing', {}, 'cifar'],
    [
      'cut short',
      { ...smallCifar(), 'data_batch_2.bin': cifarBatch([1, 2]).subarray(0, 5000) },
      'data_batch_2.bin has 5000',
    ],
    ['a label out of range', { ...smallCifar(), 'test_batch.bin': cifarBatch([3, 10]) }, 'record 1 has label 10'],
    ['a damaged archive', { 'cifar-10-binary.tar.gz': Buffer.from('a web page') }, 'damaged'],
  ])('data: %s', async (what, files, says) => {
    const folder = join(out, what);
    mkdirSync(folder);
    writeFiles(folder, files);
    const { code, message } = await failedRun(folder);
    expect(code).toBe('DATA');
    expect(message).toContain(says);
  });

  test.runIf(process.platform === 'linux')('no adapter', async () => {
    const withoutDrivers = { VK_DRIVER_FILES: '/nowhere', VK_ICD_FILENAMES: '/nowhere' };
    const { code, message } = await failedRun('', withoutDrivers);
    expect(code).toBe('ADAPTER');
    expect(message).toContain('npx tilegrad setup');
    const doctor = await runToEnd([cli, 'doctor', '--json'], { cwd: out, env: withoutDrivers });
    expect(doctor.code).toBe(1);
    expect(JSON.parse(doctor.out)).toMatchObject({ ok: false, adapter: null });
  });
});

const small = '--limit 48 --batch 16 --json'.split(' ');

describeOnDevice('on an adapter', () => {
  test('doctor trains, passes and exits', async () => {
    const { code, out: text } = await tilegrad(['doctor', '--json']);
    const { ok, training } = JSON.parse(text);
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    expect(training.losses.at(-1)).toBeLessThan(training.losses[0] / 2);
  });

  test('run A1 writes its record and exits; the same seed gives the same history', async () => {
    const records = [];
    for (const folder of ['one', 'two']) {
      const { code, out: text } = await tilegrad(['run', 'A1', '--epochs', '2', ...small, '--out', join(out, folder)]);
      expect(code).toBe(0);
      const { folder: where, ...record } = JSON.parse(text);
      const { crc32c: _, ...kept } = JSON.parse(readFileSync(join(where, 'run.json'), 'utf8'));
      expect(kept).toEqual(record);
      records.push(runRecord.parse(record));
    }
    const results = records.map(({ trainings }) =>
      trainings[0]!.histories[0]!.map((e) => [e.loss, e.accuracy, e.valLoss, e.valAccuracy]),
    );
    expect(results[0]).toEqual(results[1]);
    expect(results[0]).toHaveLength(2);
    const [{ trainings, counters }] = records as [(typeof records)[0]];
    const [{ evaluations, histories }] = trainings as [(typeof trainings)[0]];
    expect(evaluations[0]!.accuracy).toBe(histories[0]![1]!.valAccuracy);
    expect(counters.dispatches).toBeGreaterThan(0);
  });

  test('run A1 --profile adds a profile and a trace of every dispatch', async () => {
    const words = ['run', 'A1', '--profile', '--epochs', '1', ...small, '--out', join(out, 'profiled')];
    const { code, out: text } = await tilegrad(words);
    expect(code).toBe(0);
    const { folder, profile } = JSON.parse(text);
    const { traceEvents } = JSON.parse(readFileSync(join(folder, 'trace.json'), 'utf8'));
    expect(profile.dispatches.length).toBeGreaterThan(20);
    expect(profile.step).toMatchObject({ dispatches: profile.dispatches.length, submits: 1, createdObjects: 0 });
    expect(traceEvents.filter(({ ph }: { ph: string }) => ph === 'X')).toHaveLength(profile.dispatches.length);
    expect(Object.values(profile.ceilings).every((ceiling) => Number(ceiling) > 0)).toBe(true);
  });

  test('run uses the measurements of tune from the cache', async () => {
    const env = { TILEGRAD_CACHE: join(out, 'cache') };
    const run = (words: string[]) => runToEnd([cli, ...words], { cwd: out, env });
    const tune = await run(['tune', 'A1', '--batch', '16', '--budget', '0.5', '--json']);
    expect(tune.code, tune.err).toBe(0);
    const { results, file } = JSON.parse(tune.out);
    expect(results.flatMap(({ rejected }: { rejected: unknown[] }) => rejected)).toEqual([]);
    const words = ['run', 'A1', '--epochs', '1', ...small, '--out', join(out, 'tuned')];
    const { tuning } = runRecord.parse(JSON.parse((await run(words)).out));
    expect(tuning).toMatchObject({ measured: results.length, file: results.length > 0 ? file : null });
    expect(tuning!.choicesHash).toMatch(/^[0-9a-f]{16}$/);
  });

  test('a run that was interrupted during a training resumes with the same bits', async () => {
    const words = ['run', 'A1', '--epochs', '12', '--replicas', '2', ...small];
    const whole = await tilegrad([...words, '--out', join(out, 'whole')]);
    expect(whole.code, whole.err).toBe(0);
    let sent = false;
    const stopped = await tilegrad([...words, '--out', join(out, 'halved')], (soFar, interrupt) => {
      if (sent || !soFar.includes('Epoch  2/12')) return;
      sent = true;
      interrupt();
    });
    expect(stopped.code).toBe(1);
    const resumed = await tilegrad(['run', 'A1', '--resume', '--json', '--out', join(out, 'halved')]);
    expect(resumed.code, resumed.err).toBe(0);
    const resultsOf = (text: string) => {
      const [{ histories, evaluations }] = runRecord.parse(JSON.parse(text)).trainings as [RunRecord['trainings'][0]];
      return { evaluations, losses: histories.map((epochs) => epochs.map(({ loss, valLoss }) => [loss, valLoss])) };
    };
    expect(resultsOf(resumed.out)).toEqual(resultsOf(whole.out));
    expect(resultsOf(whole.out).losses.map((epochs) => epochs.length)).toEqual([12, 12]);
  });

  test('Ctrl-C ends a run in order: exit code 1, finished epochs are kept', async () => {
    let sent = false;
    const words = ['run', 'A1', '--epochs', '100000', ...small, '--out', join(out, 'stopped')];
    const {
      code,
      out: text,
      err,
    } = await tilegrad(words, (soFar, interrupt) => {
      if (!sent && soFar.includes('Epoch      1/100000')) {
        sent = true;
        interrupt();
      }
    });
    expect(code).toBe(1);
    const { error } = JSON.parse(text);
    expect(error.code).toBe('ABORTED');
    expect(err).toContain(error.message);
    const folder = /results saved in (.*)$/.exec(error.message)![1]!;
    const record = runRecord.parse(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')));
    expect(record.status).toBe('interrupted');
    expect(record.trainings[0]!.histories[0]!.length).toBeGreaterThan(0);
  });
});
