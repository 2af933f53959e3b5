import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ArgumentError, DataError, FileError } from '../../src/base/errors.ts';
import type { ReportContent } from '../../src/report/content.ts';
import { figure } from '../../src/report/figures/schema.ts';
import { checkReport, readReport, writeReport } from '../../src/report/report-files.ts';
import { content, figures, rowRecord, runRecordOf } from './samples.ts';

/** Number of files for which the disk still has room. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writeFileSync: typeof fs.writeFileSync = (path, data, options) => {
    if (disk.room-- > 0) return fs.writeFileSync(path, data, options);
    fs.writeFileSync(path, Buffer.from(data as string).subarray(0, 10), options); // files that fit before the disk was full
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  };
  return { ...fs, writeFileSync };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tilegrad-report-'));
});
afterEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
  rmSync(folder, { recursive: true, force: true });
});

const everything = () =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name), 'latin1')]),
  );

test('a report that was written is read back complete, and writes the same files again', async () => {
  const files = await writeReport(folder, content());
  expect(files).toContain('report.html');
  const first = everything();
  expect(Object.keys(first).sort()).toEqual(
    [
      'report.html',
      'report.json',
      ...Object.values(figures).flatMap(({ name }) => ['json', 'png', 'svg'].map((end) => `${name}.${end}`)),
    ].sort(),
  );
  const { report, folder: where } = readReport(folder);
  expect(where).toBe(folder);
  expect(report).toEqual(checkReport(content()));
  rmSync(join(folder, 'report.html'));
  rmSync(join(folder, 'figures'), { recursive: true });
  await writeReport(folder, report);
  expect(everything()).toEqual(first);
});

test("a figure's JSON file is the figure", async () => {
  await writeReport(folder, content());
  for (const one of Object.values(figures)) {
    const text = readFileSync(join(folder, 'figures', `${one.name}.json`), 'utf8');
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(figure.parse(one))));
  }
});

test('metrics that are not finite become null', () => {
  const report = content();
  const block = report.sections[0]!.blocks[0]!;
  if (block.type === 'comparison') block.rows[0]!.ours = Number.NaN;
  expect(checkReport(report).sections[0]!.blocks[0]).toMatchObject({ rows: [{ ours: null }, {}, {}] });
});

test('figures with the same name get different ones: the first keeps it, and no existing name is used', async () => {
  const figure = (name: string) => ({ type: 'figure' as const, figure: { ...figures.confusion, name } });
  const long = 'a'.repeat(80);
  const report: ReportContent = {
    ...content(),
    sections: [
      { title: 'one', blocks: [figure('loss'), figure('loss'), figure(long), figure(long)] },
      { title: 'two', blocks: [figure('loss'), figure('loss-2'), figure('other')] },
    ],
  };
  const names = ['loss', 'loss-3', long, `${'a'.repeat(78)}-2`, 'loss-4', 'loss-2', 'other'];
  const checked = checkReport(report);
  expect(
    checked.sections.flatMap(({ blocks }) => blocks.map((one) => one.type === 'figure' && one.figure.name)),
  ).toEqual(names);
  expect(checkReport(checked)).toEqual(checked);
  const files = await writeReport(folder, report);
  for (const name of names) {
    expect(files).toContain(join('figures', `${name}.svg`));
    expect(JSON.parse(readFileSync(join(folder, 'figures', `${name}.json`), 'utf8')).name).toBe(name);
  }
  expect(everything()['report.html']).toContain('<figure id="loss-4">');
});

test('a full disk leaves the old report unchanged, and no part of the new one, wherever it becomes full', async () => {
  const small = (title: string): ReportContent => ({
    ...content(),
    title,
    sections: [{ title: 'one', blocks: [{ type: 'figure', figure: figures.images }] }],
  });
  const files = await writeReport(folder, small('old'));
  const before = everything();
  for (let room = 0; room < files.length; room++) {
    disk.room = room;
    const failure = await writeReport(folder, small('new')).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FileError);
    expect((failure as Error).message).toContain('the disk is full');
    expect(everything()).toEqual(before);
  }
  disk.room = files.length;
  await writeReport(folder, small('new'));
  expect(everything()['report.html']).toContain('new');
});

describe('writeReport throws, before it writes, for content with', () => {
  test.each([
    ['no question', (c) => c.question.pop(), 'question'],
    ['another version', (c) => Object.assign(c, { schemaVersion: 2 }), 'schemaVersion'],
    ['an unknown block', (c) => c.sections[0]!.blocks.push({ type: 'video' } as never), 'sections.0.blocks.5.type'],
  ] as [string, (report: ReportContent) => void, string][])('%s', async (_what, change, says) => {
    const wrong = content();
    change(wrong);
    const failure = await writeReport(folder, wrong).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ArgumentError);
    expect((failure as Error).message).toContain(says);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('readReport: a file that is', () => {
  const read = () => {
    try {
      readReport(folder);
    } catch (error) {
      return error as Error;
    }
    throw new Error('was read');
  };
  const report = () => JSON.stringify(checkReport(content()));

  test('missing, with or without its folder', () => {
    expect(read()).toBeInstanceOf(FileError);
    expect(read().message).toContain('neither run.json, report.json nor search.json');
    expect(() => readReport(join(folder, 'nowhere'))).toThrow(/there is no .*nowhere.*tilegrad run/);
  });

  test.each([
    ['cut short', () => report().slice(0, -30), 'cut short'],
    ['empty', () => '', 'cut short'],
    ['of another program', () => '{"name": "package"}', 'is not a report of tilegrad: kind'],
    ['no object', () => 'null', 'is not a report of tilegrad'],
    [
      'of a later version',
      () => report().replace('"schemaVersion":1', '"schemaVersion":7'),
      'version 7; this tilegrad reads version 1',
    ],
    [
      'with a name that leads out of its folder',
      () => report().replace('"name":"accuracy"', '"name":"../../accuracy"'),
      'figure.name',
    ],
  ])('%s', (_what, text, says) => {
    writeFileSync(join(folder, 'report.json'), text());
    expect(read()).toBeInstanceOf(DataError);
    expect(read().message).toContain(join(folder, 'report.json'));
    expect(read().message).toContain(says);
  });

  test('a run record with an invalid figure', () => {
    const curves = { ...figures.curves, y: { label: 'accuracy', format: '%%zz' } };
    const sections = [{ title: 'Curves', blocks: [{ type: 'figure' as const, figure: curves }] }];
    writeFileSync(join(folder, 'run.json'), JSON.stringify(runRecordOf([rowRecord({ sections })])));
    expect(read()).toBeInstanceOf(DataError);
    expect(read().message).toContain('rows.0.sections.0.blocks.0.figure.y.format: a format of numbers');
  });

  test('a run record of another program', () => {
    writeFileSync(join(folder, 'run.json'), '{"schemaVersion": 2}');
    expect(read()).toBeInstanceOf(DataError);
    expect(read().message).toContain('is not a run record of tilegrad');
    writeFileSync(join(folder, 'run.json'), '{"schemaVersion": 1}');
    expect(read().message).toContain('a run record of version 1; this tilegrad reads version 2');
  });

  test("older than the run's record, or beside one that cannot be read", () => {
    const old = content();
    writeFileSync(join(folder, 'report.json'), JSON.stringify(checkReport({ ...old, title: 'half-way' })));
    const record = runRecordOf([rowRecord({ title: 'all the way' })]);
    writeFileSync(join(folder, 'run.json'), JSON.stringify(record));
    expect(readReport(folder)).toMatchObject({ report: { title: record.title } });
    expect(readReport(folder).note).toBeUndefined();
    expect(readReport(join(folder, 'report.json')).report.title).toBe('half-way');
    for (const [text, says] of [
      ['{"schemaVersion": 1}', 'a run record of version 1; this tilegrad reads version 2'],
      [JSON.stringify(record).slice(0, -30), 'cut short'],
    ] as const) {
      writeFileSync(join(folder, 'run.json'), text);
      const { report, note } = readReport(folder);
      expect(report.title).toBe('half-way');
      for (const part of [join(folder, 'report.json'), join(folder, 'run.json'), says]) expect(note).toContain(part);
    }
  });

  test('a folder', () => {
    mkdirSync(join(folder, 'report.json'));
    expect(read()).toBeInstanceOf(FileError);
  });
});
