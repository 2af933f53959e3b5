import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileError } from '../../src/base/errors.ts';
import { checkWritable, createRunFolder, timeStamp, writeRunFile } from '../../src/report/run-folder.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-folder-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const time = new Date(2026, 0, 2, 3, 4, 5);

test('folder names begin with the local time, and sort by it', () => {
  expect(timeStamp(time)).toBe('20260102-030405');
  expect(timeStamp(new Date(2026, 10, 20, 23, 59, 59))).toBe('20261120-235959');
});

test('a folder is created with its parents, and a used name gets a number', () => {
  const out = join(root, 'a', 'b');
  const names = [1, 2, 3].map(() => createRunFolder(out, 'A1', time));
  expect(names).toEqual(['', '-2', '-3'].map((end) => join(out, `20260102-030405-A1${end}`)));
  expect(readdirSync(out)).toHaveLength(3);
});

test('throws for a path below a file, with the reason, and creates nothing', () => {
  writeFileSync(join(root, 'file'), '');
  for (const path of [join(root, 'file'), join(root, 'file', 'x', 'y')]) {
    expect(() => checkWritable(path)).toThrow(FileError);
    expect(() => checkWritable(path)).toThrow(/file, not a folder.*--out/);
    expect(() => createRunFolder(path, 'A1', time)).toThrow(FileError);
  }
  expect(readdirSync(root)).toEqual(['file']);
});

test('the check accepts a folder that can be created, and does not create it', () => {
  checkWritable(join(root, 'a', 'b'));
  expect(existsSync(join(root, 'a'))).toBe(false);
});

test('a file is replaced as a whole; a write that fails leaves no part and no temporary file', () => {
  const path = join(root, 'run.json');
  writeRunFile(path, 'one');
  writeRunFile(path, 'two');
  expect(readFileSync(path, 'utf8')).toBe('two');
  mkdirSync(join(root, 'taken'));
  expect(() => writeRunFile(join(root, 'taken'), 'three')).toThrow(FileError);
  expect(readdirSync(root).sort()).toEqual(['run.json', 'taken']);
});

test.runIf(process.platform === 'linux')(
  'throws for a place where the system creates no folders, instead of trying forever',
  () => {
    expect(() => createRunFolder('/proc/tilegrad/x', 'A1', time)).toThrow(/does not allow a folder there/);
  },
);
