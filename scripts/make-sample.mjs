#!/usr/bin/env node
// Makes the bundled sample in data/sample from a folder with the full data sets:
//   node scripts/make-sample.mjs DIR
// DIR contains cifar10/cifar-10-batches-bin/*.bin and mnist/*-ubyte.gz. data/sample/README.md describes the selection.
// The same input gives the same bytes (with the same zlib). Prints size and SHA-256 of each file and of its contents.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';

const TRAIN_PER_CLASS_AND_BATCH = 40; // 5 batches, 10 classes: 2,000 images
const TEST_PER_CLASS = 50;
const MNIST_TRAIN = 4000;
const MNIST_TEST = 1000;

const RECORD = 3073;
const BATCHES = ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch'];

// Records that are left out: in the copy from which the sample was made, these leading records of a batch were from a JPEG
// copy. They are left out of the official files as well, so that both give the same sample.
const LEFT_OUT = { data_batch_2: [336, 408], data_batch_4: [329] };

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = process.argv[2];
if (!source) {
  console.error('usage: node scripts/make-sample.mjs DIR');
  process.exit(2);
}
const sample = join(root, 'data', 'sample');
mkdirSync(join(sample, 'mnist'), { recursive: true });

const cifar = join(source, 'cifar10', 'cifar-10-batches-bin');
const files = BATCHES.map((batch) => {
  const quota = batch === 'test_batch' ? TEST_PER_CLASS : TRAIN_PER_CLASS_AND_BATCH;
  return [`${batch}.bin`, firstOfEachClass(readFileSync(join(cifar, `${batch}.bin`)), quota, LEFT_OUT[batch] ?? [])];
});
files.push(['batches.meta.txt', readFileSync(join(cifar, 'batches.meta.txt'))]);
const fixed = { mtime: new Date(0), uid: 0, gid: 0 };
const tar = await packTar([
  { header: { name: 'cifar-10-batches-bin/', type: 'directory', size: 0, mode: 0o755, ...fixed } },
  ...files.map(([name, body]) => ({
    header: { name: `cifar-10-batches-bin/${name}`, size: body.length, mode: 0o644, ...fixed },
    body,
  })),
]);
writeGzip(join(sample, 'cifar-10-binary-sample.tar.gz'), tar);

for (const [set, count] of [
  ['train', MNIST_TRAIN],
  ['t10k', MNIST_TEST],
]) {
  for (const [kind, header, item] of [
    ['images-idx3', 16, 28 * 28],
    ['labels-idx1', 8, 1],
  ]) {
    const name = `${set}-${kind}-ubyte.gz`;
    const bytes = gunzipSync(readFileSync(join(source, 'mnist', name)));
    const head = Buffer.from(bytes.subarray(0, header + count * item));
    head.writeUInt32BE(count, 4);
    writeGzip(join(sample, 'mnist', name), head);
  }
}

/** Returns the first `quota` records of each class without those in `leftOut`, in file order. */
function firstOfEachClass(bytes, quota, leftOut) {
  const taken = new Array(10).fill(0);
  const records = [];
  for (let r = 0; r * RECORD < bytes.length && records.length < 10 * quota; r++) {
    const label = bytes[r * RECORD];
    if (taken[label] === quota || leftOut.includes(r)) continue;
    taken[label]++;
    records.push(bytes.subarray(r * RECORD, (r + 1) * RECORD));
  }
  if (records.length < 10 * quota) throw new Error(`only ${records.length} of ${10 * quota} records found`);
  return Buffer.concat(records);
}

function writeGzip(path, bytes) {
  const packed = gzipSync(bytes, { level: 9, memLevel: 9 });
  packed[9] = 255; // the header's byte for the operating system: unknown, so that the file is the same everywhere
  writeFileSync(path, packed);
  console.error(`${packed.length}\t${sha256(packed)}\t${basename(path)} (unpacked ${sha256(bytes)})`);
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}
