import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { ResultCache } from '../../src/cli/result-cache.ts';
import {
  BatchNormalization,
  DataError,
  Dense,
  type Device,
  decodeModel,
  decodeSafetensors,
  decodeWeights,
  encodeModel,
  encodeSafetensors,
  encodeWeights,
  loadModel,
  ModelCheckpoint,
  Sequential,
} from '../../src/node.ts';
import { readReport, readRunRecord, writeReport, writeRunRecord } from '../../src/report/report-files.ts';
import { reportOf } from '../../src/report/run-report.ts';
import { rowRecord, runRecordOf } from '../report/samples.ts';
import { damaged } from '../support/damage.ts';
import { describeOnDevice } from '../support/device.ts';

const COUNT = 600;

function folder(): string {
  const root = mkdtempSync(join(tmpdir(), 'tilegrad-damage-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** Expects that loading throws for each damaged version of a file. */
function expectRefused(
  bytes: Uint8Array,
  options: { header: number; seed: number },
  load: (bytes: Uint8Array<ArrayBuffer>) => unknown,
): void {
  const accepted: string[] = [];
  for (const damage of damaged(bytes, { count: COUNT, ...options })) {
    try {
      load(damage.bytes);
      accepted.push(damage.how);
    } catch (error) {
      expect(error, damage.how).toBeInstanceOf(DataError);
    }
  }
  expect(accepted, `of ${COUNT} damaged files`).toEqual([]);
}

const headerOf = (bytes: Uint8Array) => 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));

describeOnDevice('damaged models', (device: Device) => {
  const model = () =>
    new Sequential([
      new Dense({ units: 3, activation: 'tanh', inputShape: [4] }),
      new BatchNormalization({ momentum: 0.9 }),
      new Dense({ units: 2, activation: 'softmax' }),
    ]).build(device, { seed: 1 });

  test('model files: loading throws if they are damaged', async () => {
    using saved = model();
    const bytes = await encodeModel(saved);
    expectRefused(bytes, { header: headerOf(bytes), seed: 1 }, (changed) => decodeModel(changed, device).dispose());
    decodeModel(bytes, device).dispose();
  });

  test('weight files: loading throws if they are damaged, by name or with all weights', async () => {
    using saved = model();
    const bytes = await encodeWeights(saved);
    for (const byName of [false, true]) {
      expectRefused(bytes, { header: headerOf(bytes), seed: 2 }, (changed) =>
        decodeWeights(saved, changed, { byName }),
      );
    }
    expect(decodeWeights(saved, bytes)).toHaveLength(8);
  });

  test('checkpoints: loading throws if they are damaged, and says what to do', async () => {
    using saved = model();
    saved.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const path = join(folder(), 'checkpoint.safetensors');
    await saved.fit(
      { x: [[1, 2, 3, 4]], y: [1] },
      { epochs: 1, batchSize: 1, callbacks: [new ModelCheckpoint({ path })] },
    );
    const bytes = new Uint8Array(readFileSync(path));
    expectRefused(bytes, { header: headerOf(bytes), seed: 3 }, (changed) => {
      writeFileSync(path, changed);
      loadModel(path, device).dispose();
    });
    writeFileSync(path, bytes.with(-1 + bytes.length, bytes.at(-1)! ^ 1));
    expect(() => loadModel(path, device)).toThrow(
      /checkpoint\.safetensors is damaged: its bytes have the CRC-32C [0-9a-f]{8}, but were written with [0-9a-f]{8}; take another copy/,
    );
  });

  test('files without a checksum, from older versions or other programs, load as before', async () => {
    using saved = model();
    const { tensors, metadata } = decodeSafetensors(await encodeModel(saved));
    expect(Object.keys(metadata).sort()).toEqual(['format', 'model', 'version']);
    const without = withoutChecksum(encodeSafetensors(tensors, metadata));
    decodeModel(without, device).dispose();
    expect(decodeWeights(saved, without)).toHaveLength(8);
    expect(decodeSafetensors(without).metadata).toEqual(metadata);
  });
});

/** The same file without its checksum: as an older tilegrad wrote it. */
function withoutChecksum(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const start = headerOf(bytes);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const { 'tilegrad.checksum': kind, 'tilegrad.crc32c': sum, ...metadata } = header.__metadata__;
  expect([kind, sum]).toEqual(['crc32c', expect.stringMatching(/^[0-9a-f]{8}$/)]);
  const text = new TextEncoder().encode(JSON.stringify({ ...header, __metadata__: metadata }));
  const result = new Uint8Array(8 + text.length + bytes.length - start);
  new DataView(result.buffer).setBigUint64(0, BigInt(text.length), true);
  result.set(text, 8);
  result.set(bytes.subarray(start), 8 + text.length);
  return result;
}

test('safetensors files: reading throws if they are damaged', () => {
  const bytes = encodeSafetensors([
    ['a "name" with \\ and 世', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ['counts', { shape: [5], data: Uint8Array.of(0, 1, 2, 3, 4) }],
  ]);
  expectRefused(bytes, { header: headerOf(bytes), seed: 4 }, (changed) => decodeSafetensors(changed));
});

test('one of the two entries of a checksum requires the other', () => {
  const bytes = encodeSafetensors([['x', { shape: [1], data: Float32Array.of(1) }]]);
  const text = Buffer.from(bytes).toString('latin1');
  for (const key of ['tilegrad.checksum', 'tilegrad.crc32c']) {
    const changed = Uint8Array.from(Buffer.from(text.replace(key, key.toUpperCase()), 'latin1'));
    expect(() => decodeSafetensors(changed), key).toThrow(/is damaged: /);
  }
});

test('saved results of a run: reading throws if they are damaged; those without a checksum are read', () => {
  const root = folder();
  const store = new ResultCache(root);
  const hash = '0123456789abcdef';
  const value = { accuracy: 0.5902, epochs: [1, 2, 3], text: 'é世' };
  store.write('baseline', hash, { value, seconds: 1.5 });
  const path = join(root, 'parts', `baseline-${hash}.json`);
  const read = () => store.read('baseline', hash, z.unknown());
  const bytes = new Uint8Array(readFileSync(path));
  expectRefused(bytes, { header: bytes.length, seed: 5 }, (changed) => {
    writeFileSync(path, changed);
    read();
  });
  writeFileSync(
    path,
    JSON.stringify({ kind: 'tilegrad-part', schemaVersion: 1, name: 'baseline', hash, seconds: 1.5, value }),
  );
  expect(read()).toEqual({ value, seconds: 1.5 });
  writeFileSync(path, Buffer.from(bytes).toString().replace('0.5902', '0.9902'));
  expect(read).toThrow(
    /baseline-0123456789abcdef\.json is damaged: .*Delete it, and the run computes this result again/,
  );
});

test('record and report of a run: a damaged file never shows other metrics', async () => {
  const root = folder();
  const record = runRecordOf([rowRecord({})]);
  writeRunRecord(root, record);
  const [run, report] = ['run.json', 'report.json'].map((name) => join(root, name)) as [string, string];
  const expected = JSON.stringify(readRunRecord(root));
  await writeReport(root, reportOf(record));
  const shown = JSON.stringify(readReport(report).report);
  for (const [path, read, whole, seed] of [
    [run, () => readRunRecord(root), expected, 6],
    [report, () => readReport(report).report, shown, 7],
  ] as const) {
    const bytes = new Uint8Array(readFileSync(path));
    for (const damage of damaged(bytes, { count: COUNT, header: bytes.length, seed })) {
      writeFileSync(path, damage.bytes);
      let found: string | null = null;
      try {
        found = JSON.stringify(read());
      } catch (error) {
        expect(error, damage.how).toBeInstanceOf(DataError);
      }
      expect(found ?? whole, damage.how).toBe(whole); // if it was read, only the name of the checksum was damaged
    }
    writeFileSync(path, Buffer.from(bytes).toString().replace(/"A1"/, '"A2"'));
    expect(read).toThrow(/\.json was changed after it was written.*"crc32c"/);
    const { crc32c, ...rest } = JSON.parse(Buffer.from(bytes).toString());
    expect(crc32c).toMatch(/^[0-9a-f]{8}$/);
    writeFileSync(path, JSON.stringify(rest));
    expect(JSON.stringify(read())).toBe(whole);
  }
});
