import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import {
  AbortedError,
  ArgumentError,
  confusionMatrix,
  DataError,
  Dense,
  FileError,
  Flatten,
  ImageLoader,
  type ImageSet,
  imageFolder,
  Sequential,
  trainTestSplit,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { tempDir } from './helpers.ts';
import { folderOf, png, solidPng } from './pictures.ts';

const [RED, GREEN, BLUE] = [[200, 10, 20], [5, 180, 30], [1, 2, 240]] as const; // biome-ignore format: as a row
/** The color that fills each image. */
const colors = ({ images, size }: ImageSet) =>
  Array.from({ length: size }, (_, i) => [...images.slice((i * images.length) / size, (i * images.length) / size + 3)]);

test('imageFolder: one class for each folder, sorted by name, with subfolders; skips files that are not pictures', async () => {
  const dir = folderOf({
    'dog/2.png': solidPng(BLUE),
    'dog/10.PNG': solidPng(RED),
    'dog/puppies/a.jpeg': await sharp(solidPng(GREEN)).jpeg({ quality: 100 }).toBuffer(),
    'dog/notes.txt': 'of the dogs',
    'cat/b.png': solidPng(GREEN),
    'cat/.hidden.png': 'none',
    'cat/._b.png': 'of a system',
    'cat/Thumbs.db': 'of another',
    '.git/x.png': 'none',
    'README.md': 'about it',
  });
  const images = await imageFolder(dir, { size: [2, 3] });
  expect(images).toMatchObject({
    size: 4,
    shape: [2, 3, 3],
    classes: ['cat', 'dog'],
    labels: Uint8Array.of(0, 1, 1, 1),
  });
  expect(images.files).toEqual(
    ['cat/b.png', 'dog/10.PNG', 'dog/2.png', 'dog/puppies/a.jpeg'].map((name) => join(dir, name)),
  );
  expect(images.skipped).toEqual(['README.md', 'dog/notes.txt'].map((name) => join(dir, name)));
  expect(colors(images).slice(0, 3)).toEqual([GREEN, RED, BLUE]);
  expect(images.images).toHaveLength(4 * 2 * 3 * 3);
});

test('imageFolder: sorts by the code units of normalized names', async () => {
  const names = ['ä.png', 'Z.png', 'a.png', 'b\u0301.png', 'e\u0301.png', 'f.png', '\u{1f600}.png', '\uff21.png'];
  const dir = folderOf(Object.fromEntries(names.map((name, i) => [`e\u0301te\u0301/${name}`, solidPng([i, 0, 0])])));
  const { files, classes } = await imageFolder(dir);
  expect(classes).toEqual(['\u00e9t\u00e9']); // composed, as in source text
  expect(files.map((path) => path.split(/[/\\]/).at(-1)!.normalize('NFC'))).toEqual(
    names.map((name) => name.normalize('NFC')).sort(),
  );
});

test('imageFolder: keeps the order of more pictures than are decoded at the same time', async () => {
  const files = Array.from({ length: 30 }, (_, i) => [
    `${'ab'[i % 2]}/${String(i).padStart(2, '0')}.png`,
    solidPng([i, 0, 0], 8 + 40 * (i % 3), 8),
  ]);
  const seen: number[] = [];
  const { images, labels } = await imageFolder(folderOf(Object.fromEntries(files)), {
    size: 2,
    onProgress: ({ done, total }) => seen.push(done * 100 + total),
  });
  const order = [...Array.from({ length: 15 }, (_, i) => 2 * i), ...Array.from({ length: 15 }, (_, i) => 2 * i + 1)];
  expect(order.map((_, i) => images[12 * i])).toEqual(order);
  expect([...labels]).toEqual(order.map((i) => i % 2));
  expect(seen).toEqual(order.map((_, i) => 100 * (i + 1) + 30));
});

test('imageFolder: classNames selects and orders folders; labels: null loads all pictures without labels', async () => {
  const dir = folderOf({ 'a/1.png': solidPng(RED), 'b/1.png': solidPng(GREEN), 'c/d/1.png': solidPng(BLUE) });
  const chosen = await imageFolder(dir, { classNames: ['c', 'a'] });
  expect([chosen.classes, [...chosen.labels], colors(chosen)]).toEqual([
    ['c', 'a'],
    [0, 1],
    [BLUE, RED],
  ]);
  writeFileSync(join(dir, '0.png'), solidPng(GREEN));
  const all = await imageFolder(dir, { labels: null });
  expect([all.classes, [...all.labels], colors(all)]).toEqual([[], [], [GREEN, RED, GREEN, BLUE]]);
});

test('imageFolder: loads a class of one picture, for which a stratified split throws', async () => {
  const images = await imageFolder(
    folderOf({ 'a/1.png': solidPng(RED), 'a/2.png': solidPng(RED), 'b/1.png': solidPng(BLUE) }),
  );
  expect([...images.labels]).toEqual([0, 0, 1]);
  const split = () => trainTestSplit(images, { testSize: 0.4, stratify: true });
  expect(split).toThrow(DataError);
  expect(split).toThrow(/class b has a single sample, but stratify needs one for each part/);
});

const picture = solidPng(RED);
const jpeg = () =>
  sharp(solidPng(RED, 64, 64))
    .jpeg()
    .toBuffer();

test.each<[what: string, files: Record<string, Uint8Array | string | null>, options: object, says: RegExp]>([
  ['an empty folder', {}, {}, /has no pictures; it must have a folder for each class/],
  [
    'a folder with other files',
    { 'a.txt': '', 'b.csv': '' },
    {},
    /no pictures among 2 files \(a\.txt, b\.csv\); it must have/,
  ],
  ['class folders without pictures', { a: null, 'b/x.txt': '' }, {}, /no pictures among 1 files .*put PNG/],
  ['no pictures at all, without labels', { 'a/x.txt': '' }, { labels: null }, /no pictures among 1 files/],
  ['an empty class', { 'a/1.png': picture, b: null }, {}, /[/\\]b has no pictures; add pictures, remove the folder/],
  [
    'pictures beside the classes',
    { 'a/1.png': picture, '2.png': picture },
    {},
    /2\.png is not in the folder of a class/,
  ],
  [
    'pictures without classes',
    { '2.png': picture },
    {},
    /2\.png is not in the folder of a class.*or give labels: null/,
  ],
  ['a picture of another kind', { 'a/1.png': picture, 'a/2.tiff': '' }, {}, /2\.tiff has an unsupported format/],
  ['text named .png', { 'a/1.png': 'hello, I am text' }, {}, /1\.png is not a PNG, JPEG, WebP or GIF picture/],
  [
    'SVG named .png',
    { 'a/1.png': '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>' },
    {},
    /1\.png is not a PNG/,
  ],
  ['an empty file', { 'a/1.jpg': '' }, {}, /1\.jpg is empty/],
  ['half a PNG', { 'a/1.png': picture.subarray(0, 50) }, {}, /1\.png is damaged or cut short/],
  ['a PNG with a wrong checksum', { 'a/1.png': damagePixels(picture) }, {}, /1\.png is damaged/],
  ['a PNG of which only the beginning exists', { 'a/1.png': picture.subarray(0, 8) }, {}, /1\.png is damaged/],
  [
    'different sizes',
    { 'a/1.png': picture, 'b/2.png': solidPng(RED, 5, 4) },
    {},
    /2\.png is 4 x 5 \(height x width\), but .*1\.png is 4 x 4; give size/,
  ],
  [
    'names that differ by case',
    { 'Cat/1.png': picture, 'cat/2.png': picture },
    {},
    /"Cat" and "cat" .*differ only by case/,
  ],
  [
    'a class that is not there',
    { 'cat/1.png': picture },
    { classNames: ['Cat'] },
    /no folder "Cat".*did you mean "cat"\?/,
  ],
  ['a class far from all', { 'cat/1.png': picture }, { classNames: ['zebra'] }, /no folder "zebra".*there are cat/],
  ['a class named twice', { 'cat/1.png': picture }, { classNames: ['cat', 'cat'] }, /"cat" and "cat"/],
  [
    'parts of a data set',
    { 'train/a/1.png': picture, 'test/a/1.png': picture },
    {},
    /test, train, look like parts of a data set/,
  ],
  ['a large picture', { 'a/1.png': solidPng(RED, 8, 8) }, { maxPixels: 63 }, /1\.png has 8 x 8 pixels, more than 63/],
  [
    'a bomb',
    { 'a/1.png': png(4, 4, 'gray', Array(16).fill(0), { claims: [60_000, 60_000] }) },
    { size: 4 },
    /60000 x 60000 pixels, more than 134217728/,
  ],
])('imageFolder: DataError for %s', async (_what, files, options, says) => {
  const error = await imageFolder(folderOf(files), options).catch((error: Error) => error);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toMatch(says);
  expect((error as Error).message).toMatch(/^imageFolder: /);
});

/** Changes one bit of the pixels. */
function damagePixels(file: Buffer): Buffer {
  const copy = Buffer.from(file);
  copy[file.length - 20]! ^= 4;
  return copy;
}

test.each([0.2, 0.5, 0.99])(
  'imageFolder: the error names a JPEG that is truncated after a fraction of %f',
  async (share) => {
    const file = await jpeg();
    const dir = folderOf({ 'a/1.jpg': file.subarray(0, Math.floor(share * file.length)) });
    await expect(imageFolder(dir, { size: 8 })).rejects.toThrow(/1\.jpg is damaged or cut short/);
  },
);

test('imageFolder: explains the first of several damaged pictures and lists the others, the same in every run', async () => {
  const files = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`a/${10 + i}.png`, i % 2 ? 'text' : picture]));
  const dir = folderOf(files);
  const messages = await Promise.all([1, 2, 3].map(() => imageFolder(dir).catch(({ message }: Error) => message)));
  expect(messages[0]).toMatch(
    /11\.png is not a PNG.*Others cannot be loaded either: .*13\.png, .*15\.png, .*21\.png and 4 more$/,
  );
  expect(new Set(messages).size).toBe(1);
});

test.each<[what: string, path: (dir: string) => string, says: RegExp]>([
  ['no folder', (dir) => join(dir, 'nowhere'), /cannot read .*nowhere: there is no such folder/],
  ['a file', (dir) => join(dir, 'a/1.png'), /1\.png: it is a file; give the path of a folder/],
])('imageFolder: FileError for %s', async (_what, path, says) => {
  const dir = path(folderOf({ 'a/1.png': picture }));
  for (const options of [{}, { labels: null }, { labels: null, followLinks: true }] as const) {
    await expect(imageFolder(dir, options)).rejects.toThrow(FileError);
    await expect(imageFolder(dir, options)).rejects.toThrow(says);
  }
});

test.each<[option: string, value: unknown, says: RegExp]>([
  ...[0, -1, 2.5, Number.NaN, Infinity, 20_000, '64', [0, 4], [4, -4], [4], [4, 4, 3], [4, 1.5], null].map(
    (size): [string, unknown, RegExp] => [
      'size',
      size,
      /size must be \[height, width\] or one number.*from 1 to 16384/,
    ],
  ),
  ['colorMode', 'gray', /colorMode must be 'rgb', 'grayscale' or 'rgba', but is "gray"/],
  ['background', [0, 0, 256], /background must be/],
  ['cropToAspectRatio', 'yes', /cropToAspectRatio must be true or false/],
  ['cropToAspectRatio', true, /needs the size to crop to/],
  ['interpolation', 'bicubic', /interpolation must be 'bilinear' or 'nearest'/],
  ['labels', [0], /labels must be 'inferred'/],
  ['classNames', [], /classNames must be a list of folder names/],
  ['classNames', 'cat', /classNames must be a list of folder names/],
  ['maxPixels', 0, /maxPixels must be a positive integer/],
  ['maxBytes', 1.5, /maxBytes must be a positive integer/],
  ['maxBytes', 100, /2 images of 8 x 8 x 3 take 384 bytes, more than maxBytes, 100/],
  ['followLinks', 1, /followLinks must be true or false/],
  ['signal', {}, /signal must be an AbortSignal/],
  ['onProgress', 1, /onProgress: takes a function/],
  ['imageSize', [4, 4], /no option imageSize; size is \[height, width\]/],
  ['validationSplit', 0.2, /no option validationSplit; trainTestSplit/],
  ['batchSize', 4, /no option batchSize; give batchSize to fit/],
])('imageFolder: ArgumentError for %s of %j', async (option, value, says) => {
  const dir = folderOf({ 'a/1.png': solidPng(RED, 8, 8), 'b/1.png': solidPng(RED, 8, 8) });
  await expect(imageFolder(dir, { [option]: value })).rejects.toThrow(ArgumentError);
  await expect(imageFolder(dir, { [option]: value })).rejects.toThrow(says);
});

test('imageFolder: throws for links to pictures; followLinks follows them, but not in circles', async () => {
  const outside = folderOf({ 'x/1.png': solidPng(BLUE) });
  const dir = folderOf({ 'a/1.png': solidPng(RED), 'a/notes.txt': '' });
  symlinkSync(join(dir, 'a/notes.txt'), join(dir, 'a/more.txt'));
  expect((await imageFolder(dir)).size).toBe(1); // a link to another file is skipped
  symlinkSync(join(outside, 'x/1.png'), join(dir, 'a/2.png'));
  await expect(imageFolder(dir)).rejects.toThrow(/2\.png is a symbolic link.*give followLinks: true/);
  expect(colors(await imageFolder(dir, { followLinks: true }))).toEqual([RED, BLUE]);
  symlinkSync(join(outside, 'x'), join(dir, 'b'), 'dir');
  await expect(imageFolder(dir)).rejects.toThrow(/b is a symbolic link/);
  expect(await imageFolder(dir, { followLinks: true })).toMatchObject({ size: 3, classes: ['a', 'b'] });
  symlinkSync(dir, join(dir, 'a/loop'), 'dir');
  await expect(imageFolder(dir, { followLinks: true })).rejects.toThrow(/loop is a link to one of its parent folders/);
  const broken = folderOf({ 'a/1.png': solidPng(RED) });
  symlinkSync(join(broken, 'gone.png'), join(broken, 'a/2.png'));
  await expect(imageFolder(broken, { followLinks: true })).rejects.toThrow(FileError);
});

test('imageFolder: a folder named .png is a folder of pictures', async () => {
  const dir = folderOf({ 'a.png/1.png': solidPng(RED) });
  mkdirSync(join(dir, 'a.png/x.jpg'));
  writeFileSync(join(dir, 'a.png/x.jpg/2.png'), solidPng(BLUE));
  expect(await imageFolder(dir)).toMatchObject({ size: 2, classes: ['a.png'] });
});

test('imageFolder: signal stops it between two pictures', async () => {
  const dir = folderOf(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`a/${i}.png`, picture])));
  const control = new AbortController();
  let done = 0;
  const loading = imageFolder(dir, {
    signal: control.signal,
    onProgress() {
      if (++done === 3) control.abort();
    },
  });
  await expect(loading).rejects.toThrow(AbortedError);
  expect(done).toBeLessThan(10);
  await expect(imageFolder(dir, { signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
});

test('imageFolder: MissingPackageError has the command that installs sharp', async () => {
  // Bundled into a folder without packages, where the import fails as for a user.
  const outfile = join(tempDir(), 'image-folder.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, '../../src/data/image-folder.ts')],
    ...{ outfile, bundle: true, format: 'esm', platform: 'node', packages: 'external' },
  });
  const code = `import { imageFolder } from ${JSON.stringify(pathToFileURL(outfile).href)};
    imageFolder('.').catch(({ code, message }) => process.stdout.write(code + ': ' + message));`;
  const cwd = folderOf({ 'a/1.png': picture });
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { cwd });
  expect(stdout).toBe(
    'MISSING_PACKAGE: imageFolder needs the npm package sharp, which is not installed; run `npm install sharp@0.35`',
  );
});

test('imageFolder: rethrows an error of onProgress unchanged', async () => {
  const thrown = new Error('of the caller');
  const onProgress = () => {
    throw thrown;
  };
  await expect(imageFolder(folderOf({ 'a/1.png': picture }), { onProgress })).rejects.toBe(thrown);
});

describeOnDevice('pictures of a folder', (device) => {
  test('imageFolder: trains a model in three lines, whose confusion matrix has the order of the classes', async () => {
    const files: [string, Buffer][] = [];
    for (const [name, color] of Object.entries({ red: RED, green: GREEN, blue: BLUE })) {
      for (let i = 0; i < 6; i++)
        files.push([`${name}/${i}.png`, solidPng(color.map((v) => Math.max(0, v - 9 * i)) as never, 6, 5 + i)]);
    }
    const images = await imageFolder(folderOf(Object.fromEntries(files)), { size: [4, 4] });
    const { train, test } = trainTestSplit(images, { testSize: 6, stratify: true });
    const [data, testLoader] = [new ImageLoader(device, train), new ImageLoader(device, test)];
    const model = new Sequential([
      new Flatten({ inputShape: images.shape }),
      new Dense({ units: 3, activation: 'softmax' }),
    ]);
    model.build(device, { seed: 1 }).compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    await model.fit(data, { epochs: 200, batchSize: 12 });
    expect((await model.evaluate(testLoader)).accuracy).toBe(1);
    expect(images.classes).toEqual(['blue', 'green', 'red']);
    expect((await confusionMatrix(model, testLoader)).counts).toEqual([[2, 0, 0], [0, 2, 0], [0, 0, 2]]); // biome-ignore format: as rows
    const unknown = await imageFolder(folderOf({ 'x.png': solidPng(GREEN, 9, 9) }), { size: [4, 4], labels: null });
    const [blue, green, red] = await model.predict(new ImageLoader(device, unknown));
    expect(green).toBeGreaterThan(Math.max(blue!, red!));
    for (const one of [data, testLoader, model]) one.dispose();
  });
});
