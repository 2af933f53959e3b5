import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeTemporaryFiles, writeFileAtomic, writeFilesAtomic } from '../../src/base/atomic-file.ts';
import { ResultCache } from '../../src/cli/result-cache.ts';
import { LineFile } from '../../src/io/line-file.ts';
import { BackupAndRestore, saveNpy, saveSafetensors } from '../../src/node.ts';
import { writeRunFile, writeRunFiles } from '../../src/report/run-folder.ts';
import { TuningCache } from '../../src/tuner/cache.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

const program = bundleBeforeTests('test/support/write-and-die.ts');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-scraps-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const scraps = (folder = root) => readdirSync(folder).filter((name) => name.endsWith('.tmp'));
/** Runs a process that is killed while it writes a file, so that its temporary file remains. */
async function kill(path: string): Promise<void> {
  const { signal, err } = await runToEnd([program, path, 'die']);
  expect([signal, err]).toEqual(['SIGKILL', '']);
}

test('writeFileAtomic: removes temporary files of killed processes from the folder', async () => {
  await kill(join(root, 'model-01.safetensors'));
  expect(scraps()).toEqual([expect.stringMatching(/^model-01\.safetensors\..*\.tmp$/)]);
  await kill(join(root, 'model-02.safetensors'));
  expect(scraps()).toEqual([expect.stringMatching(/^model-02\.safetensors\..*\.tmp$/)]);
  writeFileAtomic(join(root, 'model-03.safetensors'), 'whole');
  expect(readdirSync(root)).toEqual(['model-03.safetensors']);
  expect(readFileSync(join(root, 'model-03.safetensors'), 'utf8')).toBe('whole');
});

const array = { shape: [1], data: Float32Array.of(1) };
const identity = { name: '', vendor: '', architecture: '', driver: '', tilegrad: '' };

test.each<[what: string, folder: string, write: (folder: string) => void]>([
  ['saveNpy', '', (folder) => saveNpy(join(folder, 'x.npy'), array)],
  [
    'saveSafetensors, which models, weights and checkpoints use',
    '',
    (folder) => saveSafetensors(join(folder, 'x'), []),
  ],
  ['a log that is replaced', '', (folder) => new LineFile(join(folder, 'log.csv')).replace('epoch\n')],
  ['run.json', '', (folder) => writeRunFile(join(folder, 'run.json'), '{}')],
  [
    'a report',
    'figures',
    (folder) =>
      writeRunFiles(folder, [
        ['report.json', '{}'],
        ['figures/a.svg', ''],
      ]),
  ],
  ['the parts of a run', 'parts', (folder) => new ResultCache(folder).write('a', 'f00d', { value: 1, seconds: 1 })],
  ["the tuner's cache", '', (folder) => new TuningCache(folder, identity, () => {}, {}).save([])],
  [
    'a backup, before the first is written',
    '',
    (folder) => void new BackupAndRestore({ path: join(folder, 'b') }).onTrainBegin({ resume: async () => {} }),
  ],
])('%s: removes temporary files of a process that was killed', async (_, below, write) => {
  const folder = join(root, below);
  mkdirSync(folder, { recursive: true });
  await kill(join(folder, 'other'));
  expect(scraps(folder)).toHaveLength(1);
  write(root);
  expect(scraps(folder)).toEqual([]);
});

test('writeFileAtomic: keeps the temporary file of a running process until it is killed', async () => {
  const path = join(root, 'model.safetensors');
  let seen: string[] = [];
  const ended = await runToEnd([program, path, 'wait'], {
    onError: (_, interrupt) => {
      writeFileAtomic(join(root, 'other'), 'whole');
      seen = scraps();
      interrupt();
    },
  });
  expect(ended.signal).toBe('SIGINT');
  expect(seen).toHaveLength(1);
  writeFileAtomic(join(root, 'other'), 'again');
  expect(scraps()).toEqual([]);
});

test('writeFileAtomic: keeps other names, folders, and recent files of other machines', async () => {
  await kill(join(root, 'model'));
  const scrap = scraps()[0]!;
  const [, place, pid] = /^model\.tilegrad-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp$/.exec(scrap)!;
  const elsewhere = place === '00000000' ? '11111111' : '00000000';
  const others = [
    `model.tilegrad-${elsewhere}-${pid}-01234567.tmp`,
    'model.01234567.tmp',
    'model.tmp',
    `${scrap}.txt`,
    `model.tilegrad-${place}-${pid}-0123456x.tmp`,
  ];
  for (const name of others) writeFileSync(join(root, name), 'mine');
  const folder = `folder.tilegrad-${place}-${pid}-01234567.tmp`;
  mkdirSync(join(root, folder));
  writeFileAtomic(join(root, 'other'), '');
  expect(readdirSync(root).sort()).toEqual([...others, folder, 'other'].sort());
  // After a day, no machine is still writing it.
  const old = Date.now() / 1000 - 25 * 3600;
  for (const name of others) utimesSync(join(root, name), old, old);
  removeTemporaryFiles(root);
  expect(readdirSync(root).sort()).toEqual([...others.slice(1), folder, 'other'].sort());
});

test('writeFileAtomic: writes even if temporary files cannot be removed or the folder cannot be read', () => {
  expect(() => removeTemporaryFiles(join(root, 'nowhere'))).not.toThrow();
  writeFileSync(join(root, 'file'), '');
  expect(() => removeTemporaryFiles(join(root, 'file'))).not.toThrow();
  expect(() => writeFilesAtomic([[join(root, 'nowhere', 'x'), '']])).toThrow(/ENOENT/);
  expect(scraps()).toEqual([]);
});
