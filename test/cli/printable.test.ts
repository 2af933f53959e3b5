import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ReportContent } from '../../src/report/content.ts';
import type { RunRecord } from '../../src/report/run-record.ts';
import { content, nasty, rowRecord, runRecordOf, trainingOf } from '../report/samples.ts';
import { tilegrad } from './fakes.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tilegrad-printable-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

/** Clears the screen, sets the window title; C1, a direction override, a carriage return, and a line like those of tilegrad. */
const HOSTILE = '\u001b[2J\u001b]0;evil\u0007\u009b31m\u202egnp\rpwned\nerror: pwned';
/** Characters on which a terminal acts, except line feeds and tabs. */
const ACTS = /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/** Runs a command with hostile input: both streams must be clean, and no line of the input may look like an error. */
async function clean(words: string[], code: number) {
  const done = await tilegrad(words);
  expect(done.code, done.err).toBe(code);
  for (const text of [done.out, done.err]) {
    expect(JSON.stringify(ACTS.exec(text)?.[0] ?? null), text).toBe('null');
    expect(text).not.toMatch(/^error: pwned/m);
  }
  return done;
}

/** Replaces all names by the hostile text; text blocks, which may have several lines, get it without line breaks. */
const replaceNames = <T>(value: T): T =>
  JSON.parse(
    JSON.stringify(value, (_, one) =>
      one?.type === 'text' ? { ...one, text: HOSTILE.split('\n')[0] } : one,
    ).replaceAll(JSON.stringify(nasty).slice(1, -1), JSON.stringify(HOSTILE).slice(1, -1)),
  );
const hostileReport: ReportContent = replaceNames(content());
const hostileRun: RunRecord = replaceNames(
  runRecordOf(
    [
      rowRecord({
        ...{ title: nasty, question: [nasty], reduced: [nasty], settings: { [nasty]: nasty } },
        sections: content().sections.slice(0, 1),
      }),
    ],
    {
      ...{
        id: 'A1',
        title: nasty,
        question: [nasty],
        command: nasty,
        versions: { ...runRecordOf([rowRecord()]).versions, node: nasty },
      },
      adapter: { ...runRecordOf([rowRecord()]).adapter, name: nasty, driver: nasty },
      data: { cifar10: { ...runRecordOf([rowRecord()]).data.cifar10!, path: nasty, description: nasty } },
      request: { id: 'A1', scale: 'full', seed: 1, data: nasty, epochs: 7 },
      trainings: [{ ...trainingOf({ name: nasty, optimizer: nasty }), row: 'A1', status: 'finished', kept: false }],
    },
  ),
);

/** The folder of a run from elsewhere, called `name`. */
function foreign(name: string, file: 'run.json' | 'report.json', value: unknown): string {
  const folder = join(out, name);
  mkdirSync(folder);
  writeFileSync(join(folder, file), JSON.stringify(value));
  return folder;
}

test('report: of a hostile run, and of a hostile report', async () => {
  const { out: text } = await clean(['report', foreign('run', 'run.json', hostileRun)], 0);
  expect(text).toContain('A1: \\x1b[2J\\x1b]0;evil\\x07\\x9b31m\\u202egnp\\rpwned\\nerror: pwned');
  expect(text).toContain('Again: \\x1b[2J');
  await clean(['report', foreign('report', 'report.json', hostileReport)], 0);
});

test('report --json: the same values, escaped', async () => {
  const folder = foreign('run', 'run.json', hostileRun);
  const { out: text } = await clean(['report', folder, '--json'], 0);
  expect(JSON.parse(text).report.title).toBe(HOSTILE);
});

test('report: the page of a hostile run has no markup or control characters from it', async () => {
  const folder = foreign('report', 'report.json', content());
  await clean(['report', folder], 0);
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).not.toContain(nasty);
  const hostile = foreign('hostile', 'report.json', hostileReport);
  await clean(['report', hostile], 0);
  expect(readFileSync(join(hostile, 'report.html'), 'utf8')).not.toMatch(/(?![\n\t\r])\p{Cc}/u);
});

test('compare: of hostile runs, in folders with hostile names', async () => {
  const folders = ['one', 'two'].map((name) => foreign(name + HOSTILE.replaceAll('/', ''), 'run.json', hostileRun));
  await clean(['compare', ...folders, '--out', join(out, 'runs')], 0);
});

test('results: of a hostile run, also in the document', async () => {
  const docs = join(out, 'docs');
  await clean(['results', foreign('run', 'run.json', hostileRun), '--docs', docs], 0);
  expect(readFileSync(join(docs, 'RESULTS.md'), 'utf8')).not.toMatch(ACTS);
  await clean(['results', '--docs', docs], 0);
  const waiting = { ...hostileRun, rows: hostileRun.rows.map((row) => ({ ...row, status: 'failed' as const })) };
  await clean(['results', foreign(`run${HOSTILE}`, 'run.json', waiting), '--docs', docs], 0);
});

test('errors: about a hostile run, or a hostile path', async () => {
  await clean(['report', join(out, HOSTILE)], 1);
  await clean(['report', foreign('text', 'run.json', `${HOSTILE}`)], 1);
  writeFileSync(join(out, 'text', 'run.json'), HOSTILE);
  await clean(['report', join(out, 'text')], 1);
  await clean(['report', join(out, 'text'), '--json'], 1);
  await clean(['report', join(out, 'text'), '--debug'], 1);
  const running = foreign('20261120-093005-A1', 'run.json', { ...hostileRun, status: 'interrupted' });
  await clean(['run', 'A1', '--resume', running, '--epochs', '3', '--out', out], 2);
  await clean(['run', HOSTILE], 2);
  await clean(['run', 'A1', `--${HOSTILE}`], 2);
  await clean(['data', 'fetch', HOSTILE], 2);
});

test('warnings: about the environment', async () => {
  const { loadDataset } = await import('../../src/node.ts');
  vi.stubEnv('TILEGRAD_DATA', join(out, HOSTILE));
  vi.stubEnv('TILEGRAD_CACHE', join(out, `cache${HOSTILE}`));
  try {
    const error = await loadDataset('fashion-mnist').catch((cause: Error) => cause);
    expect(String(error)).toContain('\\x1b[2J');
    expect(String(error)).not.toMatch(ACTS);
  } finally {
    vi.unstubAllEnvs();
  }
  expect(readdirSync(out)).toEqual([]);
});
