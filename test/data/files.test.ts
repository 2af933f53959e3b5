import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { cacheDir, findCacheDir } from '../../src/base/cache-dir.ts';
import { ArgumentError, DataError, FileError, UsageError } from '../../src/base/errors.ts';
import { datasets } from '../../src/data/datasets.ts';
import { loadDataset } from '../../src/data/files.ts';
import { packageRoot } from '../../src/data/folders.ts';
import { datasetStatus } from '../../src/data/locate.ts';
import type { DatasetName } from '../../src/data/types.ts';
import { cifarBatch, countLabels, emptyCache, idx, smallCifar, smallMnist, tempDir, writeFiles } from './helpers.ts';

async function tarGz(files: Record<string, Uint8Array>): Promise<Uint8Array> {
  const entries = Object.entries(files).map(([name, body]) => ({
    header: { name: `cifar-10-batches-bin/${name}`, size: body.length },
    body,
  }));
  return gzipSync(await packTar(entries), { level: 1 });
}

/** The message of the DataError that loading must throw. */
async function failure(name: DatasetName, dir: string): Promise<string> {
  const error = await loadDataset(name, { dir }).then(
    () => null,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return error!.message;
}

describe('CIFAR-10', () => {
  test.each(['', 'cifar-10-batches-bin', 'cifar10', 'cifar10/cifar-10-batches-bin'])(
    'loads the folder %s',
    async (sub) => {
      const dir = tempDir();
      writeFiles(join(dir, sub), smallCifar());
      const { train, test, source } = await loadDataset('cifar10', { dir });
      expect([...train.labels]).toEqual([1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5]);
      for (let i = 0; i < 15; i++) expect(train.images[i * 3072 + 3071]).toBe(train.labels[i]);
      expect([...test.labels]).toEqual([8, 9]);
      expect(train).toMatchObject({ size: 15, shape: [32, 32, 3] });
      expect(train.images.length).toBe(15 * 3072);
      expect(train.classes[9]).toBe('truck');
      expect(source).toEqual({
        kind: 'folder',
        path: join(dir, sub),
        description: `folder ${join(dir, sub)}: 15 of 50,000 training and 2 of 10,000 test images`,
      });
    },
  );

  test.each(['cifar-10-binary.tar.gz', 'cifar10/cifar-10-binary.tar.gz'])('loads the archive %s', async (name) => {
    const dir = tempDir();
    // Like the official archive: not in batch order, and with other files.
    const reversed = Object.fromEntries(
      Object.entries({ ...smallCifar(), 'readme.html': Buffer.from('hi') }).reverse(),
    );
    writeFiles(dir, { [name]: await tarGz(reversed) });
    const fromFolder = await loadDataset('cifar10', { dir });
    expect(fromFolder.source.kind).toBe('archive');
    expect([...fromFolder.train.labels]).toEqual([1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5]);
    expect(fromFolder.train.images[14 * 3072]).toBe(5);
    expect(await loadDataset('cifar10', { dir: join(dir, name) })).toEqual(fromFolder);
  });

  // modern-tar 0.8.6 loses the entry after a small one whose body is canceled, and waits for it forever.
  test('reads an archive with small other files between large batches', async () => {
    const { 'test_batch.bin': testBatch, ...batches } = smallCifar();
    const large = Object.fromEntries(
      Object.keys(batches).flatMap((name, i) => [
        [`note-${i}.txt`, Buffer.from('not wanted')],
        [name, cifarBatch(new Array(400).fill(i), i)],
      ]),
    );
    const path = join(tempDir(), 'c.tar.gz');
    writeFileSync(path, await tarGz({ ...large, 'test_batch.bin': testBatch! }));
    const { train } = await loadDataset('cifar10', { dir: path });
    expect(countLabels(train.labels)).toEqual([400, 400, 400, 400, 400, 0, 0, 0, 0, 0]);
    expect(train.images.at(-1)).toBe(4);
  }, 10_000);

  test('limit: keeps the first training images and the whole test set', async () => {
    const dir = tempDir();
    writeFiles(dir, smallCifar());
    const { train, test, source } = await loadDataset('cifar10', { dir, limit: 4 });
    expect([...train.labels]).toEqual([1, 2, 2, 3]);
    expect(train).toMatchObject({ size: 4 });
    expect(train.images.length).toBe(4 * 3072);
    expect(test.size).toBe(2);
    expect(source.description).toMatch(/15 of 50,000 training .*; only the first 4 training images are used$/);
    expect((await loadDataset('cifar10', { dir, limit: 15 })).train.size).toBe(15);
    await expect(loadDataset('cifar10', { dir, limit: 16 })).rejects.toThrow(/limit is 16, .* has 15 training images/);
    for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(loadDataset('cifar10', { dir, limit })).rejects.toThrow(ArgumentError);
    }
  });

  test('names a missing batch', async () => {
    const dir = tempDir();
    const { 'data_batch_3.bin': _, ...rest } = smallCifar();
    writeFiles(dir, rest);
    expect(await failure('cifar10', dir)).toContain(`${dir} lacks data_batch_3.bin of cifar10`);
    writeFiles(dir, { 'x/cifar-10-binary.tar.gz': await tarGz(rest) });
    expect(await failure('cifar10', join(dir, 'x'))).toMatch(
      /tar\.gz lacks data_batch_3\.bin; it holds .*test_batch\.bin/,
    );
  });

  test('names the file of a truncated batch, an empty batch and a bad label', async () => {
    const dir = tempDir();
    writeFiles(dir, { ...smallCifar(), 'data_batch_4.bin': cifarBatch([1, 2]).subarray(0, 5000) });
    expect(await failure('cifar10', dir)).toMatch(/data_batch_4\.bin has 5000 bytes.* 3073 for 1 or 6146 for 2/);
    writeFiles(dir, { 'data_batch_4.bin': new Uint8Array(0) });
    expect(await failure('cifar10', dir)).toMatch(/data_batch_4\.bin is empty/);
    writeFiles(dir, { 'data_batch_4.bin': cifarBatch([1, 255]) });
    expect(await failure('cifar10', dir)).toMatch(/data_batch_4\.bin: record 1 has label 255/);
  });

  test('throws DataError for damaged archives', async () => {
    const archive = await tarGz(smallCifar());
    const unpacked = gunzipSync(archive);
    const badHeader = Buffer.from(unpacked);
    badHeader[3] = badHeader[3]! ^ 1;
    const badCrc = Buffer.from(archive);
    badCrc[badCrc.length - 6] = badCrc[badCrc.length - 6]! ^ 1;
    const cases: [string, Uint8Array, RegExp][] = [
      ['empty', new Uint8Array(0), /./],
      ['not gzip', Buffer.from('this is a web page'), /Z_DATA_ERROR/],
      ['gzip cut short', archive.subarray(0, archive.length - 20), /unexpected end of file/],
      ['gzip checksum', badCrc, /incorrect data check/],
      ['tar cut short', gzipSync(unpacked.subarray(0, 5000)), /./],
      ['tar header', gzipSync(badHeader), /checksum/i],
      ['no tar', gzipSync(Buffer.alloc(2000, 'x')), /./],
    ];
    for (const [name, bytes, reason] of cases) {
      const path = join(tempDir(), 'c.tar.gz');
      writeFileSync(path, bytes);
      const message = await failure('cifar10', path);
      expect(message, name).toContain(path);
      expect(message, name).toMatch(/damaged or cut short|it holds no files/);
      expect(message, name).toMatch(reason);
    }
  });
});

describe('MNIST', () => {
  const gz = (files: Record<string, Uint8Array>) =>
    Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]));
  const withDots = (files: Record<string, Uint8Array>) =>
    Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name.replace('-idx', '.idx'), bytes]));
  const withWrongNames = (files: Record<string, Uint8Array>) =>
    Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${name}.gz`, bytes]));

  test.each([
    ['mnist', 'plain', '', smallMnist()],
    ['mnist', 'gz', 'mnist', gz(smallMnist())],
    ['mnist', 'torchvision folder', 'MNIST/raw', smallMnist()],
    ['mnist', 'dotted names', '', withDots(smallMnist())],
    ['mnist', 'unpacked but still called .gz', '', withWrongNames(smallMnist())],
    ['fashion-mnist', 'gz', 'fashion-mnist', gz(smallMnist())],
  ] as const)('loads %s, %s', async (name, _, sub, files) => {
    const dir = tempDir();
    writeFiles(join(dir, sub), files);
    const { train, test } = await loadDataset(name, { dir });
    expect(train).toMatchObject({ size: 3, shape: [28, 28, 1], labels: Uint8Array.from([5, 0, 4]) });
    expect(train.images.length).toBe(3 * 784);
    expect([783, 784, 2351].map((i) => train.images[i])).toEqual([10, 11, 12]);
    expect([...test.labels]).toEqual([7, 2]);
    const limited = await loadDataset(name, { dir, limit: 2 });
    expect([...limited.train.labels]).toEqual([5, 0]);
    expect(limited.train.images.buffer.byteLength).toBe(2 * 784);
    expect(limited.source.description).toContain('3 of 60,000 training and 2 of 10,000 test images; only the first 2');
  });

  test('throws DataError for damaged files', async () => {
    const bad = async (files: Record<string, Uint8Array>) => {
      const dir = tempDir();
      writeFiles(dir, { ...smallMnist(), ...files });
      return failure('mnist', dir);
    };
    const cutGzip = gzipSync(smallMnist()['train-images-idx3-ubyte']!).subarray(0, 30);
    expect(await bad({ 'train-images-idx3-ubyte': cutGzip })).toMatch(
      /train-images-idx3-ubyte is a damaged or cut-short gzip file/,
    );
    expect(await bad({ 'train-labels-idx1-ubyte': idx([2], [1, 2]) })).toMatch(
      /train-images-idx3-ubyte has 3 images but .*train-labels-idx1-ubyte has 2 labels/,
    );
    expect(await bad({ 't10k-labels-idx1-ubyte': idx([2], [1, 10]) })).toMatch(
      /t10k-labels-idx1-ubyte: record 1 has label 10/,
    );
    expect(await bad({ 't10k-images-idx3-ubyte': smallMnist()['t10k-labels-idx1-ubyte']! })).toMatch(
      /t10k-images-idx3-ubyte has magic number 0x00000801/,
    );
    expect(await bad({ 't10k-images-idx3-ubyte': new Uint8Array(0) })).toMatch(/t10k-images-idx3-ubyte is empty/);
    const dir = tempDir();
    writeFiles(dir, { 't10k-labels-idx1-ubyte': idx([1], [1]) });
    expect(await failure('mnist', dir)).toContain(
      'lacks train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte',
    );
  });
});

/** Throws as `os.homedir` if HOME is not set and the user has no passwd entry. */
const noHome = (): string => {
  throw new Error('uv_os_homedir returned ENOENT');
};

describe('where data is searched', () => {
  test('cacheDir: the cache folder of each system', () => {
    expect(cacheDir({ TILEGRAD_CACHE: '/t', XDG_CACHE_HOME: '/c' }, 'linux')).toBe('/t');
    expect(cacheDir({ TILEGRAD_CACHE: '', XDG_CACHE_HOME: '/c' }, 'linux')).toBe('/c/tilegrad');
    expect(cacheDir({ XDG_CACHE_HOME: '/c' }, 'linux')).toBe('/c/tilegrad');
    expect(cacheDir({ XDG_CACHE_HOME: 'relative' }, 'linux')).toMatch(/\/\.cache\/tilegrad$/);
    expect(cacheDir({}, 'darwin')).toMatch(/\/Library\/Caches\/tilegrad$/);
    expect(cacheDir({ LOCALAPPDATA: '/local' }, 'win32')).toBe('/local/tilegrad');
  });

  test('cacheDir: throws for a relative TILEGRAD_CACHE', () => {
    const find = () => cacheDir({ TILEGRAD_CACHE: 'my/cache', XDG_CACHE_HOME: '/c' });
    expect(find).toThrow(ArgumentError);
    expect(find).toThrow('TILEGRAD_CACHE is "my/cache"');
  });

  test.each([
    ['none', noHome, 'HOME is not set'],
    ['an empty one', () => '', 'the home folder is ""'],
    ['a relative one', () => 'home/me', 'the home folder is "home/me"'],
  ])('cacheDir: throws FileError, which says what to set, for a home folder that is %s', (_, home, says) => {
    const notes: string[] = [];
    for (const platform of ['linux', 'darwin', 'win32'] as const) {
      const find = () => cacheDir({}, platform, home);
      expect(find).toThrow(FileError);
      expect(find).toThrow(says);
      expect(find).toThrow('set TILEGRAD_CACHE to the absolute path of a folder');
      expect(findCacheDir((note) => notes.push(note), find)).toBeNull();
      expect(cacheDir({ TILEGRAD_CACHE: '/t', LOCALAPPDATA: '/l' }, platform, home)).toBe('/t');
    }
    expect(notes).toHaveLength(3);
    expect(cacheDir({ XDG_CACHE_HOME: '/c' }, 'linux', home)).toBe('/c/tilegrad');
    expect(cacheDir({ LOCALAPPDATA: '/l' }, 'win32', home)).toBe('/l/tilegrad');
  });

  test('packageRoot: is found from src, from dist, and above packages with other names', () => {
    const root = packageRoot()!;
    expect(existsSync(join(root, 'src', 'data', 'folders.ts'))).toBe(true);
    expect(packageRoot(join(root, 'dist', 'chunk.js'))).toBe(root);
    expect(packageRoot(join(root, 'node_modules', 'modern-tar', 'dist', 'x.js'))).toBe(root);
    expect(packageRoot(join(tempDir(), 'x.js'))).toBeNull();
  });

  test('locateDataset: searches dir, then TILEGRAD_DATA, the cache, and the sample', async () => {
    const cache = emptyCache();
    const [env, dir] = [tempDir(), tempDir()];
    const where = async (options = {}) => (await datasetStatus('mnist', options))?.path;

    expect((await datasetStatus('mnist'))?.kind).toBe('sample');
    writeFiles(join(cache, 'mnist'), smallMnist());
    expect(await where()).toBe(join(cache, 'mnist'));
    vi.stubEnv('TILEGRAD_DATA', env);
    expect(await where()).toBe(join(cache, 'mnist'));
    const { source } = await loadDataset('mnist');
    expect(source.description).toContain(`(TILEGRAD_DATA is ${env}, which does not hold mnist)`);
    writeFiles(join(env, 'mnist'), smallMnist());
    expect(await where()).toBe(join(env, 'mnist'));
    expect((await loadDataset('mnist')).source.description).not.toContain('TILEGRAD_DATA');
    expect(await where({ dir })).toBeUndefined();
    writeFiles(dir, smallMnist());
    expect(await where({ dir })).toBe(dir);
  });

  test('loadDataset: throws if dir does not hold the set, with the searched paths, and does not use the sample', async () => {
    emptyCache();
    const dir = tempDir();
    const message = await failure('cifar10', dir);
    const places = ['', '/cifar-10-batches-bin', '/cifar10', '/cifar10/cifar-10-batches-bin'];
    for (const place of places) {
      expect(message).toContain(`  ${dir}${place}\n`);
      expect(message).toContain(`  ${dir}${place}/cifar-10-binary.tar.gz\n`);
    }
    expect(message).toContain('data_batch_1.bin');
    expect(message).toContain('tilegrad data fetch cifar10');
    const absent = join(dir, 'absent');
    expect(await failure('mnist', absent)).toMatch(/^mnist was not found in .*absent\..*absent does not exist/s);
    expect(message).not.toContain('does not exist');
    writeFileSync(join(dir, 'file'), 'x');
    expect(await failure('mnist', join(dir, 'file'))).toContain('is a file; expected a folder');
    await expect(loadDataset('mnist', { dir: '' })).rejects.toThrow(ArgumentError);
  });

  test('locateDataset: prefers a complete copy in a subfolder; reports missing parts', async () => {
    const dir = tempDir();
    writeFiles(dir, { 'data_batch_1.bin': cifarBatch([1]) });
    expect(await datasetStatus('cifar10', { dir })).toMatchObject({
      path: dir,
      missing: ['data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin', 'test_batch.bin'],
    });
    writeFiles(join(dir, 'cifar10'), smallCifar());
    expect(await datasetStatus('cifar10', { dir })).toMatchObject({ path: join(dir, 'cifar10'), missing: [] });
  });

  test('loadDataset: recognizes the Python version of CIFAR-10 as the wrong one', async () => {
    const dir = tempDir();
    mkdirSync(join(dir, 'cifar-10-batches-py'));
    expect(await failure('cifar10', dir)).toMatch(/cifar-10-batches-py is another version of CIFAR-10/);
  });

  test('loadDataset: does not accept MNIST as Fashion-MNIST', async () => {
    const dir = tempDir();
    writeFiles(join(dir, 'mnist'), smallMnist());
    expect(await datasetStatus('fashion-mnist', { dir })).toBeNull();
    // The folder does not name the data set: it is recognized by the checksum of the official test labels.
    const labels = smallMnist()['t10k-labels-idx1-ubyte']!;
    const official = datasets.mnist.testLabelsMd5;
    onTestFinished(() => {
      Object.assign(datasets.mnist, { testLabelsMd5: official });
    });
    Object.assign(datasets.mnist, { testLabelsMd5: createHash('md5').update(labels).digest('hex') });
    expect(await failure('fashion-mnist', join(dir, 'mnist'))).toMatch(/holds MNIST, not Fashion-MNIST/);
    expect((await loadDataset('mnist', { dir })).test.size).toBe(2);
  });

  test('loadDataset: the error for fashion-mnist, which has no sample, says how to get it', async () => {
    emptyCache();
    expect(await datasetStatus('fashion-mnist')).toBeNull();
    await expect(loadDataset('fashion-mnist')).rejects.toThrow(/tilegrad data fetch fashion-mnist.*--data/);
  });

  test('loadDataset: the error for an unknown name lists the known ones', async () => {
    for (const name of ['imagenet', 'toString']) {
      await expect(loadDataset(name as DatasetName)).rejects.toThrow(UsageError);
    }
    await expect(loadDataset('imagenet' as DatasetName)).rejects.toThrow(/known: cifar10, mnist, fashion-mnist/);
  });
});
