import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { TestCase, TestModule } from 'vitest/node';
import { createParts } from '../../bench/gpu/parts.ts';
import { wholeSeconds } from '../../bench/gpu/progress.ts';
import { hidePaths, type Report } from '../../bench/gpu/report.ts';
import LineReporter from '../../bench/gpu/test-reporter.ts';
import { LINES_VARIABLE, readTests, type TestResult } from '../../bench/gpu/tests.ts';
import { Measured } from '../../bench/measured.ts';
import { UsageError } from '../../bench/options.ts';
import type { AdapterInfo } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

const main = bundleBeforeTests('test/support/run-gpu.ts');
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tilegrad-gpu-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `npm run gpu` with other parts. */
const gpu = (which: string, words: string[], options: Parameters<typeof runToEnd>[1] = {}) =>
  runToEnd([main, which, root, ...words], { cwd: root, ...options });
const readReport = (path: string): Report => JSON.parse(readFileSync(path, 'utf8'));

describe('npm run gpu', () => {
  test('a part that fails, hangs or cannot be installed does not stop the others', async () => {
    const path = join(folder, 'all.json');
    const words = ['--parts', 'broken,hanging,remote,good', '--out', path];
    const { code, err, out } = await gpu('card', words);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    const report = readReport(path);
    expect(report).toMatchObject({ format: 1, hardware: 'GPU', adapter: { name: 'a card', driver: '1.2' } });
    expect(report).toMatchObject({ node: process.version, os: { platform: process.platform } });
    expect(report.tilegrad.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(report.ended).not.toBeNull();
    const parts = Object.fromEntries(report.parts.map((part) => [part.name, part]));
    expect(Object.keys(parts)).toEqual(['doctor', 'broken', 'hanging', 'remote', 'good']);
    expect(parts.broken).toMatchObject({
      status: 'failed',
      exitCode: 3,
      result: null,
      output: 'the driver is broken at .\n',
    });
    expect(parts.hanging).toMatchObject({ status: 'limit', limitSeconds: 8, result: { done: 1 } });
    expect(parts.hanging!.output).toContain('one of them works');
    expect(parts.remote).toMatchObject({ status: 'failed', exitCode: 1, noResult: 'the installation failed' });
    expect(parts.remote!.output).toContain('no network');
    expect(parts.good).toMatchObject({ status: 'ok', exitCode: 0, result: { ms: 4 }, noResult: null, output: null });
    expect(err).toContain('2 of 5: the broken part: FAILED (exit code 3)');
    expect(err).toContain('3 of 5: the hanging part: stopped at its limit of 8 s');
    expect(err).toContain(path);
    expect(readdirSync(folder)).toEqual(['all.json']); // no temporary file is left
  });

  test('exits with 0 if all parts are ok; a software adapter names the file and the hardware CPU', async () => {
    const cwd = join(folder, 'cpu');
    mkdirSync(cwd);
    const { code, err } = await gpu('software', ['--parts', 'Good'], { cwd });
    expect(code, err).toBe(0);
    expect(err).toContain('all times are those of a CPU');
    const [name] = readdirSync(cwd);
    expect(name).toMatch(/^tilegrad-cpu-[\d-]+\.json$/);
    expect(readReport(join(cwd, name!)).hardware).toBe('CPU');
  });

  test('an adapter that is not known does not stop the others', async () => {
    const path = join(folder, 'nothing.json');
    const { code, err } = await gpu('nothing', ['--parts', 'good', '--out', path]);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('The adapter is not known') });
    const { hardware, adapter, parts } = readReport(path);
    expect({ hardware, adapter }).toEqual({ hardware: 'unknown', adapter: null });
    expect(parts.map(({ status }) => status)).toEqual(['failed', 'ok']);
  });

  test('Ctrl-C keeps what is done, also of the part that was running', async () => {
    const path = join(folder, 'interrupted.json');
    const marks = join(folder, 'marks');
    mkdirSync(marks);
    let interrupt = () => {};
    const ended = gpu('card', ['--parts', 'good,waiting,last', '--out', path], {
      env: { FOLDER: marks },
      onError: (_, send) => {
        interrupt = send;
      },
    });
    await expect.poll(() => existsSync(join(marks, 'waiting'))).toBe(true);
    interrupt();
    const { code, err } = await ended;
    expect(code, err).toBe(130);
    const report = readReport(path);
    const { parts } = report;
    expect(parts.map(({ name, status }) => [name, status])).toEqual([
      ['doctor', 'ok'],
      ['good', 'ok'],
      ['waiting', 'interrupted'],
      ['last', 'not run'],
    ]);
    expect([parts[1]!.result, parts[2]!.result, report.ended]).toEqual([{ ms: 4 }, { done: 1 }, expect.any(String)]);
    expect(err).toContain('the last part: not run');
  });

  test.each([
    { words: ['--parts', 'god'], said: 'unknown part "god"; did you mean good?' },
    { words: ['--parts', ''], said: 'unknown part ""' },
    { words: ['--limit', '0'], said: '--limit takes a number above 0, but was given "0"' },
    { words: ['--out', ''], said: '--out' },
    { words: ['--fast'], said: "unknown option '--fast'" },
    { words: ['fast'], said: 'too many arguments' },
    { words: ['--out', join(folder, 'missing', 'a.json')], said: 'there is no such folder' },
    { words: ['--out', folder], said: 'Cannot write' },
  ])('$words exits with 2 and the reason, and runs nothing', async ({ words, said: message }) => {
    const { code, out, err } = await gpu('card', words);
    expect(err).toContain(message);
    expect({ code, out, ran: err.includes('1 of') }).toEqual({ code: 2, out: '', ran: false });
  });

  test('a file that can no longer be written is printed instead', async () => {
    const gone = join(folder, 'gone');
    mkdirSync(gone);
    const words = ['--parts', 'rude,last', '--out', join(gone, 'a.json')];
    const { code, out, err } = await gpu('card', words, { env: { FOLDER: gone } });
    expect(code).toBe(1);
    expect(err).toContain('there is no such folder');
    expect((JSON.parse(out) as Report).parts.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
  });

  test('--help names all parts, whose limits are less than ten minutes together', async () => {
    const { code, out } = await gpu('small', ['--help']);
    const parts = createParts(root);
    expect(parts.map(({ name }) => name)).toEqual(['doctor', 'variants', 'tune', 'kernels', 'steps', 'peers']);
    expect(parts.reduce((sum, { limit }) => sum + limit, 0)).toBeLessThan(595);
    for (const { name, limit } of parts) expect(out).toMatch(new RegExp(`${name} .* ${limit} s`));
    expect(code).toBe(0);
  });
});

describeOnDevice('npm run gpu on an adapter', () => {
  test('runs doctor, tests and benchmarks, and has their figures', async () => {
    const path = join(folder, 'small.json');
    const words = ['--parts', 'variants,kernels,steps', '--limit', '600', '--out', path];
    const { code, err } = await gpu('small', words);
    expect(code, err).toBe(0);
    const { parts, adapter, hardware } = readReport(path);
    expect(hardware).toBe(adapter!.isSoftware ? 'CPU' : 'GPU');
    const [doctor, variants, kernels, steps] = parts.map(({ result }) => result);
    expect(doctor).toMatchObject({ ok: true, adapter, training: { losses: expect.any(Array) } });
    expect(variants).toMatchObject({ failed: 0, failures: [], unfinished: [], passed: expect.any(Number) });
    expect((variants as TestResult).passed).toBeGreaterThan(0);
    const file = 'test/kernels/optimizers/adam.test.ts';
    expect(variants).toMatchObject({ files: [{ file, failed: 0, seconds: expect.any(Number) }] });
    expect(kernels).toMatchObject({ kernels: [{ name: 'gemm-256', ms: expect.any(Number) }], steps: [] });
    expect(steps).toMatchObject({ kernels: [], steps: [{ name: 'mlp-b32', ms: expect.any(Number) }] });
  });
});

test('wholeSeconds: has no tenths', () => {
  expect([0.4, 59.4, 59.7, 72].map(wholeSeconds)).toEqual(['0 s', '59 s', '1 min 00 s', '1 min 12 s']);
});

test('hidePaths: shortens folders with slashes of either kind, and no others', () => {
  const shorten = hidePaths([
    ['C:\\Users\\Ann Lee\\tilegrad\\', '.'],
    ['C:\\Users\\Ann Lee', '~'],
    ['/', '/'],
  ]);
  const texts = [
    'at file:///C:/Users/Ann%20Lee/tilegrad/a.ts',
    'C:\\Users\\Ann Lee\\x',
    'C:\\Users\\Ann Leeds',
    '/tmp/a',
  ];
  expect(texts.map(shorten)).toEqual(['at file:///./a.ts', '~\\x', 'C:\\Users\\Ann Leeds', '/tmp/a']);
});

test('readTests: counts what the reporter wrote, and names what had not ended', () => {
  const path = join(folder, 'tests.jsonl');
  vi.stubEnv(LINES_VARIABLE, path);
  const reporter = new LineReporter();
  const module = {
    moduleId: join(process.cwd(), 'test/a.test.ts'),
    errors: () => [],
    diagnostic: () => ({ duration: 2500 }),
  };
  const testCase = (fullName: string, state: string, errors: { message: string }[] = []) =>
    ({ module, fullName, result: () => ({ state, errors }) }) as unknown as TestCase;
  for (const one of [
    testCase('a', 'passed'),
    testCase('b', 'failed', [{ message: 'expected 1' }, { message: 'and 2' }]),
    testCase('c', 'skipped'),
  ]) {
    reporter.onTestCaseReady(one);
    reporter.onTestCaseResult(one);
  }
  reporter.onTestModuleEnd(module as unknown as TestModule);
  const broken = {
    ...module,
    moduleId: join(process.cwd(), 'test/b.test.ts'),
    errors: () => [{ message: 'no import' }],
  };
  reporter.onTestModuleEnd(broken as unknown as TestModule);
  reporter.onTestCaseReady(testCase('d', 'pending'));
  reporter.onTestRunEnd([], [{ message: 'a worker ended' }]);
  vi.unstubAllEnvs();
  expect(readTests(`${readFileSync(path, 'utf8')}{"event":"beg`)).toEqual({
    ...{ passed: 1, failed: 3, skipped: 1, failuresLeftOut: 0 },
    files: [
      { file: 'test/a.test.ts', passed: 1, failed: 1, skipped: 1, seconds: 2.5 },
      { file: 'test/b.test.ts', passed: 0, failed: 1, skipped: 0, seconds: 2.5 },
    ],
    failures: [
      { file: 'test/a.test.ts', name: 'b', message: 'expected 1\nand 2' },
      { file: 'test/b.test.ts', name: '', message: 'no import' },
      { file: '', name: 'outside of tests', message: 'a worker ended' },
    ],
    unfinished: [{ file: 'test/a.test.ts', name: 'd' }],
  });
});

describe('npm run bench -- --out', () => {
  const info = { name: 'a card', driver: '1.2', isSoftware: false } as AdapterInfo;
  const measure = (path?: string) => new Measured(info, { fmaGflops: 2, copyGBs: 3 }, path, () => {});
  const fail = () => Promise.reject(new Error('the device is lost'));

  test('the file has each case at once; a case that fails is listed, and without --out it throws', async () => {
    const path = join(folder, 'bench.json');
    const measured = measure(path);
    expect(readReport(path)).toMatchObject({ adapter: 'a card', kernels: [], steps: [] });
    expect(await measured.run('gemm-256', fail)).toBe(true);
    const start = { coldMs: 5, warmMs: 4, rounds: 1 };
    expect(await measured.run('start', async () => void Object.assign(measured, { start }))).toBe(false);
    expect(readReport(path)).toMatchObject({ start, failed: [{ name: 'gemm-256', error: 'the device is lost' }] });
    await expect(measure().run('gemm-256', fail)).rejects.toThrow('the device is lost');
  });

  test('throws UsageError if the file cannot be written', () => {
    expect(() => measure(join(folder, 'missing', 'a.json'))).toThrow(UsageError);
  });
});
