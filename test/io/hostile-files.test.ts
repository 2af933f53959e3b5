import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { ResultCache } from '../../src/cli/result-cache.ts';
import {
  DataError,
  decodeNpy,
  decodeSafetensors,
  encodeNpy,
  loadDataset,
  TilegradError,
  UsageError,
} from '../../src/node.ts';
import { compareReports } from '../../src/report/compare.ts';
import { readReport, readRunRecord } from '../../src/report/report-files.ts';
import { resultOf, resultsDocument } from '../../src/report/results.ts';
import { reportText, resultsText } from '../../src/report/text.ts';
import { TuningCache } from '../../src/tuner/cache.ts';
import { tilegrad } from '../cli/fakes.ts';
import { content, figures, rowRecord, runRecordOf, trainingOf } from '../report/samples.ts';
import { hostileValues, pathsIn, withValueAt } from '../support/hostile-json.ts';
import { random } from '../support/random.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-hostile-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The error for a hostile file if it is not a typed error. */
function surprise(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    return error instanceof TilegradError ? null : String(error);
  }
}
const refusal = (work: () => unknown): Error => {
  let thrown: unknown;
  try {
    work();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(DataError);
  return thrown as Error;
};

const deep = '['.repeat(5000) + ']'.repeat(5000);

/** A safetensors file with this header, followed by this number of bytes. */
function safetensors(header: string, length = 0, size = BigInt(new TextEncoder().encode(header).length)): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + length);
  new DataView(bytes.buffer).setBigUint64(0, size, true);
  bytes.set(text, 8);
  return bytes;
}

test.each<[what: string, bytes: () => Uint8Array, says: RegExp]>([
  ['a header of 2^64 - 1 bytes', () => safetensors('{}', 0, 2n ** 64n - 1n), /more than the 100000000 allowed/],
  ['a header of 2^63 bytes', () => safetensors('{}', 0, 2n ** 63n), /more than the 100000000 allowed/],
  ['a header of 99 MB that is missing', () => safetensors('{}', 0, 99_000_000n), /is cut short/],
  ['5,000 lists within each other', () => safetensors(`{"x":${deep}}`), /nested more than 200 levels deep/],
  ['the same within metadata', () => safetensors(`{"__metadata__":{"a":${deep}}}`), /nested more than 200 levels deep/],
  [
    'a million tensors',
    () => safetensors(`{${'"x":0,'.repeat(1e6)}"y":0}`),
    /has 1000001 entries; at most 200000 tensors are read/,
  ],
  [
    'a shape whose size is not a number',
    () => safetensors(`{"x":{"dtype":"F32","shape":[${`${2 ** 52},`.repeat(30)}0],"data_offsets":[0,0]}}`),
    /takes NaN bytes/,
  ],
  [
    'a shape of 2^53 elements',
    () => safetensors(`{"x":{"dtype":"U8","shape":[${2 ** 52},2],"data_offsets":[0,${2 ** 53}]}}`),
    /must be integers from 0 up|cut short/,
  ],
  [
    'a type from a prototype',
    () => safetensors('{"x":{"dtype":"constructor","shape":[],"data_offsets":[0,0]}}'),
    /type constructor/,
  ],
])('safetensors: %s', (_, bytes, says) => {
  expect(refusal(() => decodeSafetensors(bytes(), 's')).message).toMatch(says);
});

test('safetensors: any value in any place of a header is read or throws', () => {
  const tensor = { dtype: 'F32', shape: [2, 1], data_offsets: [0, 8] };
  const whole = {
    __metadata__: { format: 'tilegrad', version: '1' },
    ['__proto__']: tensor,
    constructor: { ...tensor, data_offsets: [8, 16] },
  };
  const read = (header: unknown) => decodeSafetensors(safetensors(JSON.stringify(header), 16));
  expect([...read(whole).tensors.keys()]).toEqual(['__proto__', 'constructor']);
  const wrong = [...pathsIn(whole)].flatMap((path) =>
    hostileValues.flatMap((value) => surprise(() => read(withValueAt(whole, path, value))) ?? []),
  );
  expect(wrong).toEqual([]);
});

/** A `.npy` file, version 2, with this header. */
function npy(header: string, length = 0): Uint8Array {
  const bytes = new Uint8Array(12 + header.length + length);
  bytes.set([0x93, ...Buffer.from('NUMPY'), 2, 0]);
  new DataView(bytes.buffer).setUint32(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), 12);
  return bytes;
}
const header = (shape: string, descr = "'<f4'") => `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`;

test.each<[what: string, bytes: Uint8Array, says: RegExp]>([
  // An earlier regular expression did not finish within 40 s.
  [
    'a header of a megabyte',
    npy(`{${"'descr':[".repeat(120_000)}`),
    /header has 1080001 bytes; at most 10000 are read, as by NumPy/,
  ],
  ['a header of 4 GB', npy('').with(8, 255).with(9, 255).with(10, 255).with(11, 255), /is cut short/],
  ['a shape beyond all numbers', npy(header(`(${'9'.repeat(400)},)`)), /no array has the shape/],
  ['a shape whose size is not a number', npy(header(`(0, ${'9'.repeat(400)})`)), /no array has the shape/],
  ['more than there is', npy(header('(1000000000000,)'), 8), /states 4000000000000 bytes/],
  ['a type from a prototype', npy(header('(1,)', "'constructor'"), 4), /type constructor/],
])('npy: %s', (_, bytes, says) => {
  expect(refusal(() => decodeNpy(bytes, 'n')).message).toMatch(says);
});

test('npy: any bytes in a header are read or throw', () => {
  const whole = encodeNpy({ shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
  const draw = random(19);
  const wrong = Array.from({ length: 3000 }, () => {
    const bytes = whole.slice();
    for (let i = draw.integer(1, 3); i > 0; i--) bytes[draw.integer(0, 79)] = draw.integer(0, 255);
    return surprise(() => decodeNpy(bytes));
  });
  expect(wrong.filter((one) => one !== null)).toEqual([]);
});

const record = runRecordOf([rowRecord({ sections: content().sections })], {
  error: { code: 'DATA', message: 'wrong' },
  trainings: [{ ...trainingOf(), row: 'A1', status: 'finished', kept: false }],
  counters: { submits: 1 },
});

test('run.json: any value in any place is shown or throws', () => {
  writeFileSync(join(root, 'run.json'), JSON.stringify(record));
  expect(readReport(root).report.title).toBe('LeNet-5');
  const draw = random(20);
  const wrong: string[] = [];
  for (const path of pathsIn(record)) {
    for (let tries = 0; tries < 3; tries++) {
      const value = hostileValues[draw.integer(0, hostileValues.length - 1)];
      writeFileSync(join(root, 'run.json'), JSON.stringify(withValueAt(record, path, value)));
      const found = surprise(() => {
        reportText(readReport(root).report);
        const run = readRunRecord(root);
        resultsDocument(run.rows.flatMap((row) => resultOf(run, row) ?? []));
      });
      if (found !== null) wrong.push(`${path.join('.')} = ${JSON.stringify(value)?.slice(0, 50)}: ${found}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('run.json and report: throw if they are nested too deep', () => {
  for (const name of ['run.json', 'report.json']) {
    const path = join(root, name);
    writeFileSync(path, JSON.stringify(record).replace('"epochs":2', `"epochs":${deep}`));
    expect(refusal(() => readReport(path)).message).toMatch(/nested more than 200 levels deep/);
  }
});

test('report: shown with the maximum number of curves and rows, and throws above it', () => {
  const reportOf = (count: number, compared: number) => {
    const numbers = Array.from({ length: count }, (_, i) => i);
    const lines = numbers.map((i) => ({ run: `seed ${i}`, series: 'training', x: [1, 2], y: [0, i] }));
    const rows = numbers.slice(0, compared).map((i) => ({ label: `row ${i}`, published: 1, ours: i }));
    return {
      ...content(),
      sections: [
        {
          title: 'Results',
          blocks: [
            { type: 'figure', figure: { ...figures.curves, lines, published: [] } },
            { type: 'table', head: ['n'], rows: numbers.map((i) => [i + 0.5]) },
            { type: 'comparison', rows },
          ],
        },
      ],
    };
  };
  const path = join(root, 'report.json');
  writeFileSync(path, JSON.stringify(reportOf(5000, 1000)));
  const text = resultsText(readReport(path).report);
  for (const said of ['mean of 5000 runs', '4999.5', 'row 999']) expect(text).toContain(said);
  const { blocks } = reportOf(200_000, 200_000).sections[0]!;
  for (const block of blocks) {
    writeFileSync(path, JSON.stringify({ ...content(), sections: [{ title: 'Results', blocks: [block] }] }));
    expect(refusal(() => readReport(path)).message).toMatch(/not a report of tilegrad: .*(5000|1000)/);
  }
});

test('names of prototype members are not data sets, experiments or runs', async () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    await expect(loadDataset(name as 'mnist')).rejects.toThrow(UsageError);
    for (const words of [
      ['run', name],
      ['tune', name],
      ['data', 'fetch', name],
      ['run', 'A1', '--scale', name],
    ]) {
      const { code, err } = await tilegrad([...words]);
      expect([words.join(' '), code, err.startsWith('error: ')]).toEqual([words.join(' '), 2, true]);
    }
    const sets = { ...record, rows: record.rows.map((row) => ({ ...row, datasets: [name] })) };
    writeFileSync(join(root, 'run.json'), JSON.stringify(sets));
    expect(refusal(() => readRunRecord(root)).message).toMatch(/has no entry for a data set of an experiment/);
    writeFileSync(join(root, 'run.json'), JSON.stringify(sets).replace('"cifar10":', `${JSON.stringify(name)}:`));
    expect(surprise(() => compareReports([{ name, report: readReport(root).report }]))).toBe(null);
  }
});

test("saved results and the tuner's cache: throw if they are nested too deep", () => {
  mkdirSync(join(root, 'parts'));
  const part = { kind: 'tilegrad-part', schemaVersion: 1, name: 'a', hash: 'f00d', seconds: 1, value: 0 };
  writeFileSync(join(root, 'parts', 'a-f00d.json'), JSON.stringify(part).replace('"value":0', `"value":${deep}`));
  expect(refusal(() => new ResultCache(root).read('a', 'f00d', z.unknown())).message).toMatch(/nested more than 200/);
  const identity = { name: '', vendor: '', architecture: '', driver: '', tilegrad: '' };
  const { path } = new TuningCache(root, identity, () => {}, {});
  writeFileSync(path, deep);
  const warnings: string[] = [];
  new TuningCache(root, identity, (message) => warnings.push(message), {});
  expect(warnings).toEqual([expect.stringMatching(/is ignored: it is nested more than 200 levels deep/)]);
});
