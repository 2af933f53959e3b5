import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { kerasFileName } from '../../src/applications/checkpoints.ts';
import { weightsStatus } from '../../src/applications/imagenet.ts';
import type { DownloadProgress } from '../../src/data/download.ts';
import {
  AbortedError,
  ArgumentError,
  DataError,
  Dense,
  FileError,
  type Model,
  mobileNetV2,
  type PretrainedMobileNetV2Options,
  Sequential,
} from '../../src/node.ts';
import { emptyCache, tempDir } from '../data/helpers.ts';
import { closedAddress, cutAtHalf, HALF, type Handler, rejection, sends, serve, serves } from '../data/server.ts';
import { expectSameBits } from '../support/compare.ts';
import { officialFile } from './official-file.ts';
import { publishedFile, randomWeights, type Values, write } from './weights.ts';

const network = { alpha: 0.35, inputShape: [96, 96, 3], includeTop: false };
const NAME = 'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5';
const values = randomWeights(mobileNetV2(network));
const file = await officialFile(values);
/** Weights of another alpha; the values do not matter. */
const wider = await officialFile(randomWeights(mobileNetV2({ ...network, alpha: 0.5 })));

function expectInitial(model: Model, expected: ReadonlyMap<string, Values>) {
  const { weights } = model.plan(model.inputShape);
  expect(weights.map(({ name }) => name)).toEqual([...expected.keys()]);
  for (const { name, initialValues } of weights)
    expectSameBits(initialValues as Float32Array, expected.get(name)!.data, name);
}

/** Sets an empty cache and no folder of weights. Returns the folder of downloads. */
function emptyFolders(weights = ''): string {
  const cache = emptyCache(); // unstubs all after the test
  vi.stubEnv('TILEGRAD_WEIGHTS', weights);
  return join(cache, 'mobilenet-v2');
}

const imagenet = (baseUrl: string, options: Partial<PretrainedMobileNetV2Options> = {}) =>
  mobileNetV2({
    ...network,
    weights: 'imagenet',
    ...options,
    download: { baseUrl, retryDelay: 0, ...options.download },
  });

const NO_SERVER = await closedAddress();

test("mobileNetV2: 'imagenet' uses Keras's file names", () => {
  const names = ([1, 0.35, 1.4] as const).map((alpha) =>
    kerasFileName({ alpha, rows: 224, includeTop: alpha === 1.4 }),
  );
  expect(names).toEqual([
    'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5',
    'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5',
    'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.4_224.h5',
  ]);
});

test("mobileNetV2: 'imagenet' takes a file from TILEGRAD_WEIGHTS, Keras's or safetensors, without a request", async () => {
  const folder = tempDir();
  const downloads = emptyFolders(folder);
  write(join(folder, NAME), file);
  expectInitial(await imagenet(NO_SERVER), values);
  vi.stubEnv('TILEGRAD_WEIGHTS', join(folder, 'other'));
  write(join(folder, 'other/mobilenet-v2', NAME), file); // where `tilegrad data fetch --data` puts it
  expectInitial(await imagenet(NO_SERVER), values);
  vi.stubEnv('TILEGRAD_WEIGHTS', folder);
  const top = { ...network, includeTop: true, inputShape: [160, 160, 3] };
  const whole = randomWeights(mobileNetV2(top), 2);
  const isHead = (name: string) => name.startsWith('predictions/');
  write(
    join(folder, 'mobilenet-v2-0.35-160-no-top.safetensors'),
    publishedFile(whole, (name) => !isHead(name)),
  );
  expect((await rejection(imagenet(NO_SERVER, top))).message).toMatch(/cannot be downloaded/); // its head is not there
  write(join(folder, 'mobilenet-v2-0.35-160-top.safetensors'), publishedFile(whole, isHead));
  expectInitial(await imagenet(NO_SERVER, top), whole);
  expect(() => readdirSync(downloads)).not.toThrow(); // of the download that failed
  expect(readdirSync(downloads)).toEqual([]);
});

test("mobileNetV2: 'imagenet' uses the checkpoint of the input's rows if there is one, else 224, or that of `rows`", async () => {
  const folder = tempDir();
  emptyFolders(folder);
  const of = (rows: number) => randomWeights(mobileNetV2(network), rows);
  for (const rows of [128, 224]) {
    write(join(folder, `mobilenet-v2-0.35-${rows}-no-top.safetensors`), publishedFile(of(rows)));
  }
  expectInitial(await imagenet(NO_SERVER, { inputShape: [128, 128, 3] }), of(128));
  expectInitial(await imagenet(NO_SERVER, { inputShape: [128, 96, 3] }), of(224));
  expectInitial(await imagenet(NO_SERVER, { inputShape: [32, 32, 3] }), of(224));
  expectInitial(await imagenet(NO_SERVER, { rows: 224 }), of(224));
  const error = await rejection(imagenet(NO_SERVER)); // 96 x 96: its file is missing, and no other file is used instead
  expect(error).toBeInstanceOf(DataError);
  expect(error.message).toContain(
    `TILEGRAD_WEIGHTS is ${folder}, which has no ${NAME}, and no mobilenet-v2-0.35-96-no-top.safetensors`,
  );
  expect(error.message).toContain('images of 128, 224 rows; give { rows: 224 } to use one');
  const otherAlpha = await rejection(imagenet(NO_SERVER, { alpha: 0.5, rows: 224 }));
  expect(otherAlpha.message).not.toContain('another checkpoint');
});

test("mobileNetV2: 'imagenet' downloads Keras's file into the cache once, with progress", async () => {
  const downloads = emptyFolders();
  const { url, requests } = await serve(serves(file));
  const progress: DownloadProgress[] = [];
  const onProgress = (p: DownloadProgress) => progress.push(p);
  expectInitial(await imagenet(url, { download: { onProgress } }), values);
  expect(requests.map((request) => request.url)).toEqual([`/d/${NAME}`]);
  expect(readdirSync(downloads)).toEqual([NAME, `${NAME}.sha256`]);
  expect(progress[0]).toEqual({ file: NAME, received: 0, total: file.length });
  expect(progress.at(-1)).toEqual({ file: NAME, received: file.length, total: file.length });
  expectInitial(await imagenet(NO_SERVER), values);
  const top = { includeTop: true, download: { dir: tempDir() } };
  expect((await rejection(imagenet(url, top))).message).toMatch(/has 104 layers with weights, the model 105/);
  expect(requests.at(-1)!.url).toBe(`/d/${NAME.replace('_no_top', '')}`);
});

test("mobileNetV2: 'imagenet' resumes a download that was aborted, or that the server ended early", async () => {
  const downloads = emptyFolders();
  const stop = new AbortController();
  const cut = cutAtHalf(file);
  const { url, requests } = await serve(cut.handler, cut.handler, serves(file));
  const onProgress = (p: DownloadProgress) => p.received === HALF && stop.abort();
  const error = await rejection(imagenet(url, { download: { signal: stop.signal, onProgress } }));
  expect(error).toBeInstanceOf(AbortedError);
  expect(readdirSync(downloads)).toEqual([`${NAME}.part`]);
  expectInitial(await imagenet(url, { download: { onProgress: cut.onProgress } }), values);
  expect(requests.map(({ range }) => range)).toEqual([undefined, `bytes=${HALF}-`, `bytes=${HALF}-`]);
  expect(readdirSync(downloads)).toEqual([NAME, `${NAME}.sha256`]);
});

test.each<[string, Handler, RegExp]>([
  ['a page that asks to log in', sends(Buffer.from('<html>')), /not an HDF5 file/],
  ['a truncated file', sends(file.subarray(0, 200_000)), /is cut short|is damaged/],
  ['the file of another alpha', serves(wider), /does not fit the model/],
  ['an error', sends(Buffer.from('no such file'), 404), /the server answered 404/],
  ['nothing', (request) => void request.socket.destroy(), /fetch failed/],
])(
  "mobileNetV2: 'imagenet' throws for %s from the server, and keeps the file in the cache",
  async (_what, handler, message) => {
    const downloads = emptyFolders();
    mkdirSync(downloads, { recursive: true });
    write(join(downloads, NAME), 'damaged');
    const { url } = await serve(handler);
    const error = await rejection(imagenet(url));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(readFileSync(join(downloads, NAME), 'utf8')).toBe('damaged');
    expect(readdirSync(downloads)).toEqual([NAME]);
  },
);

test("mobileNetV2: 'imagenet' checks the known size and checksum of a download", async () => {
  const downloads = emptyFolders();
  const recorded = { rows: 224 as const };
  const name = NAME.replace('_96_', '_224_');
  const size = await serve(serves(file));
  const wrongSize = await rejection(imagenet(size.url, recorded));
  expect(wrongSize).toBeInstanceOf(DataError);
  expect(wrongSize.message).toContain(`the file on the server has ${file.length} bytes, expected 2019640`);
  const sum = await serve(sends(new Uint8Array(2_019_640)));
  const wrongSum = await rejection(imagenet(sum.url, recorded));
  expect(wrongSum.message).toMatch(/wrong checksum sha256:[0-9a-f]{64}, expected sha256:df1c3db1/);
  expect(wrongSum.message).toContain(join(downloads, name));
  expect(readdirSync(downloads)).toEqual([]);
});

test('mobileNetV2: the error without network and file has what to fetch, from where, and where to put it', async () => {
  const downloads = emptyFolders();
  const error = await rejection(imagenet(NO_SERVER, { alpha: 1, rows: 224 }));
  expect(error).toBeInstanceOf(DataError);
  const name = 'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5';
  expect(error.message).toContain(
    `Fetch https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/${name} (9.4 MB) in another way, such as a ` +
      `browser or \`npx tilegrad data fetch mobilenet-v2\` on another machine, and put it at ${join(downloads, name)}.`,
  );
  expect(error.message).toContain('ECONNREFUSED');
  expect(error.message.match(/put it|TILEGRAD_WEIGHTS|as `weights`/g)).toEqual(['put it']);
  expect(error.cause).toBeUndefined(); // Node prints causes, so the message would appear twice
  const other = await rejection(imagenet(NO_SERVER, { alpha: 0.5, includeTop: true }));
  expect(other.message).toContain('`npx tilegrad data fetch mobilenet-v2 --alpha 0.5 --rows 96 --top` on another');
  const folder = tempDir();
  vi.stubEnv('TILEGRAD_WEIGHTS', folder);
  const here = await rejection(imagenet(NO_SERVER, { alpha: 1, rows: 224 }));
  expect(here.message.match(/put it .*/g)).toEqual([`put it at ${join(folder, name)}.`]);
  vi.stubEnv('TILEGRAD_WEIGHTS', write(join(folder, 'a.h5'), file));
  const notFolder = await rejection(imagenet(NO_SERVER));
  expect(notFolder).toBeInstanceOf(FileError);
  expect(notFolder.message).toBe(`TILEGRAD_WEIGHTS is ${join(folder, 'a.h5')}: it is a file; name its folder`);
  vi.stubEnv('TILEGRAD_WEIGHTS', '');
  vi.stubEnv('TILEGRAD_CACHE', join(folder, 'a.h5')); // no folder to download into
  const unwritable = await rejection(imagenet(NO_SERVER));
  expect(unwritable).toBeInstanceOf(FileError);
  expect(unwritable.message).toMatch(
    /put it into a folder, and set the environment variable TILEGRAD_WEIGHTS to that folder\./,
  );
  vi.stubEnv('TILEGRAD_WEIGHTS', join(tempDir(), 'nowhere'));
  const missing = await rejection(imagenet(NO_SERVER));
  expect(missing).toBeInstanceOf(FileError);
  expect(missing.message).toMatch(
    /cannot read the folder of TILEGRAD_WEIGHTS, .*nowhere: there is no such file or folder/,
  );
});

test.each<[string, Partial<PretrainedMobileNetV2Options>, RegExp]>([
  [
    'an alpha',
    { alpha: 0.6 },
    /no 'imagenet' weights for alpha 0\.6; alpha must be one of 0\.35, 0\.5, 0\.75, 1, 1\.3, 1\.4/,
  ],
  [
    'a head of other classes',
    { includeTop: true, classes: 10 },
    /no 'imagenet' weights for a head of 10 classes; classes must be 1000/,
  ],
  [
    'gray images',
    { inputShape: [96, 96, 1] },
    /no 'imagenet' weights for images of 1 channels; inputShape must end in 3/,
  ],
  ['rows', { rows: 100 as 96 }, /rows must be one of 96, 128, 160, 192, 224, but is 100/],
  [
    'a download option',
    { download: { onProgres: () => {} } as never },
    /mobileNetV2: download: there is no option onProgres/,
  ],
])("mobileNetV2: 'imagenet' throws for %s that do not exist", async (_what, options, message) => {
  emptyFolders();
  const error = await rejection(imagenet(NO_SERVER, options));
  expect(error).toBeInstanceOf(ArgumentError);
  expect(error.message).toMatch(message);
});

test('weightsStatus: lists the checkpoints in the cache, in the folder of --data, and in TILEGRAD_WEIGHTS', async () => {
  const folder = tempDir();
  const downloads = emptyFolders();
  expect(await weightsStatus({})).toEqual([{ kind: 'cache', path: downloads, weights: [], problem: null }]);
  write(join(downloads, NAME), file);
  write(join(folder, 'mobilenet-v2-0.35-224-no-top.safetensors'), 'x');
  write(join(folder, 'mobilenet-v2-0.35-224-top.safetensors'), 'x');
  vi.stubEnv('TILEGRAD_WEIGHTS', folder);
  const [cache, named] = await weightsStatus({});
  expect(cache!.weights).toEqual([{ alpha: 0.35, rows: 96, includeTop: false }]);
  const both = [false, true].map((includeTop) => ({ alpha: 0.35, rows: 224, includeTop }));
  expect(named).toEqual({ kind: 'TILEGRAD_WEIGHTS', path: folder, weights: both, problem: null });
  write(join(folder, 'mobilenet-v2', NAME), file);
  const [data] = await weightsStatus({ dir: folder });
  expect(data).toMatchObject({ kind: 'cache', path: join(folder, 'mobilenet-v2'), weights: cache!.weights });
  for (const [path, problem] of [
    [join(folder, 'none'), /no such file or folder/],
    [join(downloads, NAME), /^it is a file; name its folder$/],
  ] as const) {
    vi.stubEnv('TILEGRAD_WEIGHTS', path);
    expect((await weightsStatus({}))[1]).toMatchObject({ weights: [], problem: expect.stringMatching(problem) });
  }
});

test("mobileNetV2: reads Keras's .h5 from a path, from bytes and under any file name", async () => {
  const path = write(join(tempDir(), 'weights.h5'), file);
  expectInitial(await mobileNetV2({ ...network, weights: path }), values);
  expectInitial(await mobileNetV2({ ...network, weights: file }), values);
  expectInitial(await mobileNetV2({ ...network, weights: write(`${path}.bak`, file) }), values);
});

test('mobileNetV2: throws for a .h5 that is truncated, of another network, or in another format', async () => {
  const folder = tempDir();
  const expectRejected = async (weights: PretrainedMobileNetV2Options['weights'], message: RegExp, options = {}) => {
    const error = await rejection(mobileNetV2({ ...network, ...options, weights }));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
  };
  await expectRejected(
    write(join(folder, 'cut.h5'), file.subarray(0, 300_000)),
    /cut\.h5 is cut short: it has 300000 of/,
  );
  await expectRejected(
    write(join(folder, 'wider.h5'), wider),
    /wider\.h5 does not fit.*The model is mobileNetV2 of alpha 0\.35, without a head/,
  );
  await expectRejected(
    file,
    /weights does not fit.*with a head of 1000 classes\. The file has no head: give includeTop: false, or/,
    {
      includeTop: true,
    },
  );
  await expectRejected(file, /does not fit.*Conv1\/kernel/, { inputShape: [96, 96, 1] });
  const dense = await officialFile(
    randomWeights(new Sequential([new Dense({ units: 2, inputShape: [3], name: 'a' })])),
  );
  await expectRejected(dense, /does not fit.*the file has 1 layers with weights, the model 104/);
  const nested = await officialFile(new Map([...values.values()].map((value, i) => [`mobilenetv2/${i}`, value])));
  await expectRejected(
    nested,
    /Conv1 \(\[3,3,3,16\]\) and the file's mobilenetv2 \((\[[\d,]*\], ){4}\[[\d,]*\] and 255 more\)\./,
  );
  await expectRejected(write(join(folder, 'page.h5'), '<html>'), /page\.h5 is not an HDF5 file/);
  await expectRejected(
    [file, file],
    /weights\[0\] is one of Keras's files, which hold all weights of a network; give it alone/,
  );
});
