import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runRecord } from '../../src/report/run-record.ts';
import { describeOnDevice } from '../support/device.ts';

// The command as users run it: bundled, in a process of its own, on the real engine.

const root = fileURLToPath(new URL('../..', import.meta.url));
// Below node_modules, so that the bundle finds the packages it imports; not dist/, which may be in use.
const bundle = join(root, 'node_modules', '.cache', `tilegrad-cli-${process.pid}`);
const out = mkdtempSync(join(tmpdir(), 'tilegrad-process-'));

beforeAll(async () => {
  await build({
    absWorkingDir: root,
    entryPoints: { cli: 'src/cli/main.ts' },
    outdir: bundle,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    loader: { '.wgsl': 'text' },
  });
});
afterAll(() => {
  rmSync(bundle, { recursive: true, force: true });
  rmSync(out, { recursive: true, force: true });
});

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Runs the command until it ends by itself; `onError` sees stderr grow and may send a signal. */
function tilegrad(words: string[], onError?: (err: string, interrupt: () => void) => void): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, TILEGRAD_DATA: '' };
    const child = spawn(process.execPath, [join(bundle, 'cli.js'), ...words], { env, cwd: out });
    const ended: Ended = { code: null, out: '', err: '' };
    child.stdout.on('data', (chunk) => {
      ended.out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      ended.err += chunk;
      onError?.(ended.err, () => child.kill('SIGINT'));
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...ended, code }));
  });
}

test('wrong usage ends the process with 2', async () => {
  const { code, err } = await tilegrad(['run', 'A1', '--epochs', '0']);
  expect(code).toBe(2);
  expect(err).toContain('--epochs takes a whole number of 1 or more');
});

const small = '--limit 48 --batch 16 --json'.split(' ');

describeOnDevice('on an adapter', () => {
  test('doctor trains, passes and ends', async () => {
    const { code, out: text } = await tilegrad(['doctor', '--json']);
    const { ok, training } = JSON.parse(text);
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    expect(training.losses.at(-1)).toBeLessThan(training.losses[0] / 2);
  });

  test('run A1 leaves its record and ends; the same seed gives the same history', async () => {
    const records = [];
    for (const folder of ['one', 'two']) {
      const { code, out: text } = await tilegrad(['run', 'A1', '--epochs', '2', ...small, '--out', join(out, folder)]);
      expect(code).toBe(0);
      const { folder: where, ...record } = JSON.parse(text);
      expect(JSON.parse(readFileSync(join(where, 'run.json'), 'utf8'))).toEqual(record);
      records.push(runRecord.parse(record));
    }
    const figures = records.map(({ runs }) =>
      runs[0]!.history.map((e) => [e.loss, e.accuracy, e.valLoss, e.valAccuracy]),
    );
    expect(figures[0]).toEqual(figures[1]);
    expect(figures[0]).toHaveLength(2);
    const [{ runs, counters }] = records as [(typeof records)[0]];
    expect(runs[0]!.evaluation!.accuracy).toBe(runs[0]!.history[1]!.valAccuracy);
    expect(counters.dispatches).toBeGreaterThan(0);
  });

  test('Ctrl-C ends a run in order: exit 1, finished epochs kept', async () => {
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
    const folder = /results kept in (.*)$/.exec(error.message)![1]!;
    const record = runRecord.parse(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')));
    expect(record.interrupted).toBe(true);
    expect(record.runs[0]!.history.length).toBeGreaterThan(0);
  });
});
