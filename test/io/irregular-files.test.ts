import { execFileSync, spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { ResultCache } from '../../src/cli/result-cache.ts';
import { downloadFile } from '../../src/data/download.ts';
import { LineFile } from '../../src/io/line-file.ts';
import {
  BackupAndRestore,
  CSVLogger,
  FileError,
  JSONLLogger,
  loadDataset,
  loadKeras,
  loadNpy,
  loadSafetensors,
  saveNpy,
  saveSafetensors,
} from '../../src/node.ts';
import { readJson, readReport, readRunRecord } from '../../src/report/report-files.ts';
import { writeRunFile, writeRunFiles } from '../../src/report/run-folder.ts';
import { TuningCache } from '../../src/tuner/cache.ts';
import { tilegrad } from '../cli/fakes.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-fifo-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A FIFO without a writer. If it is read, it ends after ten seconds, so that a test fails instead of hanging. */
function fifo(...path: string[]): string {
  const full = join(root, ...path);
  mkdirSync(join(full, '..'), { recursive: true });
  execFileSync('mkfifo', [full]);
  const writer = spawn('sh', ['-c', 'sleep 10; exec 3<>"$0"', full], { stdio: 'ignore' });
  writer.unref();
  return full;
}

const array = { shape: [1], data: Float32Array.of(1) };
const READS = /cannot read .*: it is a FIFO, not a regular file/;
const WRITES = /cannot write .*: it is a FIFO, not a regular file/;
const identity = { name: '', vendor: '', architecture: '', driver: '', tilegrad: '' };

const reads: [what: string, read: () => unknown][] = [
  ['loadNpy', () => loadNpy(fifo('x'))],
  ['loadSafetensors, which models and weights use', () => loadSafetensors(fifo('x'))],
  ["a model of Keras's, and so its weights", () => loadKeras(fifo('x'))],
  ['a report', () => readReport(fifo('x'))],
  ['the folder of a run', () => readReport(join(fifo('run.json'), '..'))],
  ['the record of a run', () => readRunRecord(join(fifo('run.json'), '..'))],
  ['a kept result', () => readJson(fifo('A1.json'), z.unknown(), 'result', 1)],
  [
    'a part of a run',
    () => new ResultCache(join(fifo('parts', 'a-f00d.json'), '..', '..')).read('a', 'f00d', z.unknown()),
  ],
  ['a log', () => new LineFile(fifo('x')).read()],
  ['a backup', () => new BackupAndRestore({ path: fifo('x') }).onTrainBegin({ resume: async () => {} })],
  ['an archive of images', () => loadDataset('cifar10', { dir: fifo('a.tar.gz') })],
  ['images', () => loadDataset('cifar10', { dir: images('test_batch.bin') })],
  ['packed labels', () => loadDataset('mnist', { dir: folderWithFifo() })],
];

/** A folder with CIFAR-10's files, one of which is a FIFO. */
function images(name: string): string {
  for (const one of ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5'])
    writeFileSync(join(root, `${one}.bin`), new Uint8Array(3073));
  return join(fifo(name), '..');
}

function folderWithFifo(): string {
  for (const one of ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte'])
    writeFileSync(join(root, one), '');
  return join(fifo('t10k-labels-idx1-ubyte.gz'), '..');
}

test.each(reads)('%s: does not read a FIFO', async (_, read) => {
  const error = await (async () => read())().catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(FileError);
  expect((error as Error).message).toMatch(READS);
});

const writes: [what: string, write: (path: string) => unknown][] = [
  ['saveNpy', (path) => saveNpy(path, array)],
  ['saveSafetensors, which models, weights and checkpoints use', (path) => saveSafetensors(path, [])],
  ['run.json', (path) => writeRunFile(path, '{}')],
  [
    'a report',
    (path) =>
      writeRunFiles(root, [
        ['new', ''],
        [path.slice(root.length), ''],
      ]),
  ],
  ['CSVLogger', (path) => new CSVLogger(path).onTrainBegin()],
  ['CSVLogger that appends', (path) => new CSVLogger(path, { append: true }).onTrainBegin()],
  ['JSONLLogger', (path) => new JSONLLogger(path).onTrainBegin()],
];

test.each(writes)('%s: does not replace a FIFO', (_, write) => {
  const path = fifo('x');
  expect(() => write(path)).toThrow(FileError);
  expect(() => write(path)).toThrow(WRITES);
  expect(lstatSync(path).isFIFO()).toBe(true);
  expect(existsSync(join(root, 'new'))).toBe(false);
});

test('devices are not read and not replaced', () => {
  expect(() => loadNpy('/dev/zero')).toThrow(/cannot read \/dev\/zero: it is a device, not a regular file/);
  expect(() => saveNpy('/dev/null', array)).toThrow(/cannot write \/dev\/null: it is a device, not a regular file/);
  expect(() => readReport('/dev/zero')).toThrow(/is a device/);
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
});

test('sockets and folders are not read', async () => {
  const path = join(root, 'socket');
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  expect(() => loadNpy(path)).toThrow(/it is a socket, not a regular file/);
  expect(() => saveNpy(path, array)).toThrow(/it is a socket, not a regular file/);
  server.close();
  expect(() => loadNpy(root)).toThrow(/it is a folder/);
});

test("the tuner's cache: ignores a FIFO, with a warning", () => {
  const warnings: string[] = [];
  const { path } = new TuningCache(root, identity, () => {}, {});
  fifo(path.slice(root.length));
  expect(new TuningCache(root, identity, (message) => warnings.push(message), {}).choices().size).toBe(0);
  expect(warnings).toEqual([expect.stringMatching(/is ignored: .*it is a FIFO/)]);
});

test('a download does not write into a FIFO', async () => {
  const path = join(root, 'file.gz');
  fifo('file.gz.part');
  const file = { name: 'file.gz', size: 10, checksum: 'md5:00' };
  await expect(downloadFile(['http://127.0.0.1:9/'], path, file)).rejects.toThrow(WRITES);
});

test('the commands that read runs print an error for a FIFO, and end', async () => {
  const folder = join(fifo('run', 'run.json'), '..');
  for (const words of [
    ['report', folder],
    ['report', '/dev/zero'],
    ['compare', folder, folder, '--out', join(root, 'out')],
    ['results', folder, '--docs', join(root, 'docs')],
    ['run', 'A1', '--resume', folder, '--out', join(root, 'out')],
  ]) {
    const { code, err } = await tilegrad(words);
    expect([words[0], code, err]).toEqual([words[0], 1, expect.stringMatching(/^error: .*not a regular file/)]);
  }
});
