import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tilegrad } from './fakes.ts';

const root = mkdtempSync(join(tmpdir(), 'tilegrad-report-'));
const runs: string[] = [];
beforeAll(async () => {
  for (const [out, seed] of [
    ['one', '1'],
    ['two', '9'],
  ] as const) {
    await tilegrad(['run', 'A1', '--replicas', '2', '--seed', seed, '--out', join(root, out)]);
    runs.push(join(root, out, readdirSync(join(root, out))[0]!));
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('tilegrad report', () => {
  test('writes the same report again from run.json', async () => {
    const folder = runs[0]!;
    const before = readFileSync(join(folder, 'report.html'), 'utf8');
    for (const name of ['report.html', 'report.json', 'figures']) rmSync(join(folder, name), { recursive: true });
    const { code, out, err, log } = await tilegrad(['report', folder]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe(before);
    expect(readdirSync(join(folder, 'figures'))).toHaveLength(9);
    expect(out).toContain('How well does it do?');
    expect(out).toContain(`Wrote report.html, report.json and the figures in ${folder}`);
    expect(log.engineLoads).toBe(0);
  });

  test('--json prints only the report', async () => {
    const { code, out, err } = await tilegrad(['report', runs[0]!, '--json']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { folder, files, report } = JSON.parse(out);
    expect(folder).toBe(runs[0]);
    expect(files).toContain('report.html');
    const { crc32c: _, ...kept } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
    expect(report).toEqual(kept);
  });

  test('reports what is wrong with a folder, or with a file that is not its own', async () => {
    const missing = await tilegrad(['report', join(root, 'nowhere'), '--json']);
    expect(missing.code).toBe(1);
    expect(JSON.parse(missing.out).error).toMatchObject({ code: 'FILE' });
    writeFileSync(join(root, 'report.json'), '{"kind": ');
    const cut = await tilegrad(['report', root]);
    expect(cut.code).toBe(1);
    expect(cut.err).toContain('cut short');
  });
});

test('a truncated run.json is reported if an older report.json is used instead', async () => {
  const folder = join(root, 'cut');
  cpSync(runs[0]!, folder, { recursive: true });
  writeFileSync(join(folder, 'run.json'), readFileSync(join(folder, 'run.json'), 'utf8').slice(0, -30));
  const note = `Note: ${join(folder, 'report.json')} is shown, which may be older: ${join(folder, 'run.json')} is not JSON, or cut short`;
  const drawn = await tilegrad(['report', folder, '--json']);
  expect({ code: drawn.code, err: drawn.err }).toEqual({ code: 0, err: expect.stringContaining(note) });
  expect(JSON.parse(drawn.out).report.id).toBe('A1');
  const compared = await tilegrad(['compare', folder, runs[1]!, '--out', join(root, 'of-cut')]);
  expect({ code: compared.code, err: compared.err }).toEqual({ code: 0, err: expect.stringContaining(note) });
});

describe('tilegrad compare', () => {
  test('prints a table and writes a report', async () => {
    const out = join(root, 'compared');
    const { code, out: text, err } = await tilegrad(['compare', ...runs, '--out', out]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(text).toMatch(
      /test accuracy +│ 0\.6022 +│ 0\.5150 \(sd 0\.0071, 2 runs\) +│ 0\.5950 \(sd 0\.0071, 2 runs\) +│ \+8\.00 points/,
    );
    const [name] = readdirSync(out);
    expect(name).toMatch(/-compare$/);
    expect(readdirSync(join(out, name!)).sort()).toEqual(['figures', 'report.html', 'report.json']);
    expect(readFileSync(join(out, name!, 'figures', 'accuracy.svg'), 'utf8')).toMatch(/>1: |-A1</);
  });

  test('compares folders with a control character in their names', async () => {
    const wild = join(root, 'wi\u0001ld');
    cpSync(runs[0]!, wild, { recursive: true });
    const { code, err } = await tilegrad(['compare', wild, runs[1]!, '--out', join(root, 'of-wild')]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('--json prints only the report; a comparison can be drawn again', async () => {
    const { code, out } = await tilegrad(['compare', ...runs, '--out', join(root, 'json'), '--json']);
    expect(code).toBe(0);
    const { folder, report } = JSON.parse(out);
    expect(report.sections[0].blocks[0].type).toBe('table');
    const again = await tilegrad(['report', folder, '--json']);
    expect(JSON.parse(again.out).report).toEqual(report);
  });

  test('needs at least two runs, and writes nothing if one cannot be read', async () => {
    const one = await tilegrad(['compare', runs[0]!]);
    expect(one.code).toBe(2);
    expect(one.err).toContain('two or more runs');
    const out = join(root, 'none');
    const { code, err } = await tilegrad(['compare', runs[0]!, join(root, 'nowhere'), '--out', out]);
    expect(code).toBe(1);
    expect(err).toContain('there is no');
    expect(readdirSync(root)).not.toContain('none');
  });
});
