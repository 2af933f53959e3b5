import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { compare, measuredRow, section } from '../../src/report/blocks.ts';
import { type RunRecord, runRecord } from '../../src/report/run-record.ts';
import type { SearchRecord } from '../../src/search/record.ts';
import { rowRecord, runRecordOf } from '../report/samples.ts';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

// Runs that are killed, and commands that run twice at once: bundled, in separate processes, on the real engine.

const cli = bundleBeforeTests('src/cli/main.ts');
const out = mkdtempSync(join(tmpdir(), 'tilegrad-killed-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

// The user's data and tuner cache must not affect the tests.
const env = { TILEGRAD_DATA: '', TILEGRAD_CACHE: join(out, 'cache') };
const tilegrad = (words: string) => runToEnd([cli, ...words.split(' ')], { cwd: out, env });
const recordIn = (folder: string): RunRecord =>
  runRecord.parse(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')));

/** Starts a run below `runs`, and kills it as soon as `isWanted` returns true for its record. @returns its folder */
function killedRun(
  words: string,
  runs: string,
  isWanted: (record: RunRecord, folder: string) => boolean,
): Promise<string> {
  const child = spawn(process.execPath, [cli, 'run', ...words.split(' '), '--out', runs], {
    cwd: out,
    stdio: 'ignore',
    env: { ...process.env, ...env },
  });
  return new Promise((resolve, reject) => {
    let folder = '';
    const timer = setInterval(() => {
      const [name] = existsSync(runs) ? readdirSync(runs) : [];
      folder = name === undefined ? '' : join(runs, name);
      if (!existsSync(join(folder, 'run.json')) || !isWanted(recordIn(folder), folder)) return;
      clearInterval(timer);
      child.kill('SIGKILL');
    }, 5);
    child.on('close', (_, signal) => {
      clearInterval(timer);
      if (signal === 'SIGKILL') resolve(folder);
      else reject(new Error('the run ended before it could be killed'));
    });
  });
}

test('tilegrad results: four processes at once write the experiments of all', async () => {
  const ids = ['A1', 'A2', 'A3', 'A4'];
  for (const id of ids) {
    const sections = [section('Results', compare([measuredRow('test accuracy', 0.6, [0.5])]))];
    mkdirSync(join(out, id));
    writeFileSync(join(out, id, 'run.json'), JSON.stringify(runRecordOf([rowRecord({ id, sections })])));
  }
  const all = await Promise.all(ids.map((id) => tilegrad(`results ${id} --docs docs`)));
  expect(all.map(({ code, err }) => [code, err])).toEqual(ids.map(() => [0, '']));
  expect(readdirSync(join(out, 'docs')).sort()).toEqual(['RESULTS.md', 'results']);
  const document = readFileSync(join(out, 'docs', 'RESULTS.md'), 'utf8');
  expect(ids.filter((id) => !document.includes(`| **${id}** |`))).toEqual([]);
});

describeOnDevice('on an adapter', () => {
  test('a run killed between its last step and the report is not finished, and --resume completes it', async () => {
    const words = 'A1 --scale smoke --epochs 2 --replicas 1 --limit 48 --batch 16';
    const whole = await tilegrad(`run ${words} --json --out whole`);
    expect(whole.code, whole.err).toBe(0);
    const folder = await killedRun(words, join(out, 'killed'), ({ rows }) => rows[0]!.status === 'finished');
    expect(existsSync(join(folder, 'report.html'))).toBe(false);
    expect(recordIn(folder).status).toBe('running');
    const { code, out: text, err } = await tilegrad('run A1 --resume --json --out killed');
    expect(code, err).toBe(0);
    expect(err).toContain('baseline is done already');
    const resultsOf = ({ status, trainings, tuning }: RunRecord) => ({
      ...{ status, tuning },
      losses: trainings.map(({ histories }) =>
        histories.map((epochs) => epochs.map(({ loss, valLoss }) => [loss, valLoss])),
      ),
    });
    expect(resultsOf(JSON.parse(text))).toEqual(resultsOf(JSON.parse(whole.out)));
    expect(existsSync(join(folder, 'report.html'))).toBe(true);
  });

  test('a search killed during a trial resumes with the same trials and scores, to the bit', async () => {
    const words = 'C1 --scale smoke --replicas 1';
    const whole = await tilegrad(`run ${words} --json --out whole-search`);
    expect(whole.code, whole.err).toBe(0);
    const trials = (folder: string) => {
      const all = join(folder, 'searches');
      const trialFolders = existsSync(all) ? readdirSync(all).map((name) => join(all, name, 'trials')) : [];
      return trialFolders.flatMap((path) => (existsSync(path) ? readdirSync(path) : []));
    };
    const folder = await killedRun(words, join(out, 'killed-search'), (_, at) => trials(at).length >= 2);
    // An unfinished run can be drawn too.
    expect(recordIn(folder).searches![0]!.status).toBe('running');
    const { code: drawn, out: text } = await tilegrad(`report ${folder}`);
    expect([drawn, text]).toEqual([0, expect.stringMatching(/\d trials? of Hyperband/)]);
    const { code, err } = await tilegrad(`run C1 --resume ${folder} --json`);
    expect(code, err).toBe(0);
    expect(err).toMatch(/\d+ trials? (is|are) done already; continuing in/);
    const trialsOf = (run: string): SearchRecord['trials'] => {
      const name = readdirSync(join(run, 'parts')).find((one) => one.startsWith('c1-search'))!;
      return (JSON.parse(readFileSync(join(run, 'parts', name), 'utf8')) as { value: SearchRecord }).value.trials;
    };
    const bits = ({ number, values, score, bestEpoch, histories }: SearchRecord['trials'][number]) => ({
      ...{ number, values, score, bestEpoch },
      histories: histories.map((epochs) => epochs.map(({ seconds: _, samplesPerSecond: __, ...figures }) => figures)),
    });
    const unbroken = trialsOf(join(out, (JSON.parse(whole.out) as { folder: string }).folder));
    expect(unbroken).toHaveLength(6);
    expect(trialsOf(folder).map(bits)).toEqual(unbroken.map(bits));
    expect(recordIn(folder).searches!.map(({ row, status, record }) => [row, status, record.trials.length])).toEqual([
      ['C1', 'finished', 6],
    ]);
  });

  test('of two concurrent --resume of one run, one trains and the other exits with an error', async () => {
    const runs = join(out, 'two');
    const hasEpochs = ({ trainings }: RunRecord) => (trainings[0]?.histories[0]?.length ?? 0) > 0;
    const folder = await killedRun('A1 --scale smoke --epochs 30 --replicas 1 --limit 48 --batch 16', runs, hasEpochs);
    const both = await Promise.all([folder, folder].map((one) => tilegrad(`run A1 --resume ${one} --json`)));
    const [done, refused] = both[0]!.code === 0 ? both : both.toReversed();
    expect([done!.code, refused!.code], done!.err).toEqual([0, 2]);
    expect(JSON.parse(refused!.out).error.message).toMatch(/process \d+ is still running it/);
    expect(JSON.parse(done!.out).trainings[0].histories[0]).toHaveLength(30);
    expect(readdirSync(folder)).not.toContain('run.lock');
  });
});
