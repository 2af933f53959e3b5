import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

// Node accepts a number as a file descriptor, and a Buffer or URL as a path; tilegrad accepts only text.

const wrong: unknown[] = [3, -1, undefined, null, true, '', 1n, {}, [], ['a'], Buffer.from('a'), new URL('file:///a')];
const array = { shape: [1], data: Float32Array.of(1) };

describeOnDevice('throws for a path that is not text', (device) => {
  const model = () => new tg.Sequential([new tg.Dense({ units: 1, inputShape: [1] })]).build(device);
  const takers: Record<string, (path: never) => unknown> = {
    loadNpy: (path) => tg.loadNpy(path),
    saveNpy: (path) => tg.saveNpy(path, array),
    loadSafetensors: (path) => tg.loadSafetensors(path),
    saveSafetensors: (path) => tg.saveSafetensors(path, new Map([['a', array]])),
    loadKeras: (path) => tg.loadKeras(path),
    loadKerasWeights: (path) => tg.loadKerasWeights(model(), path),
    loadModel: (path) => tg.loadModel(path, device),
    saveModel: (path) => tg.saveModel(model(), path),
    loadWeights: (path) => tg.loadWeights(model(), path),
    saveWeights: (path) => tg.saveWeights(model(), path),
    CSVLogger: (path) => new tg.CSVLogger(path),
    JSONLLogger: (path) => new tg.JSONLLogger(path),
    ModelCheckpoint: (path) => new tg.ModelCheckpoint({ path }),
    BackupAndRestore: (path) => new tg.BackupAndRestore({ path }),
  };
  /** Functions whose path has a default, which `undefined` selects. */
  const optional: Record<string, (path: never) => unknown> = {
    TensorBoard: (logDir) => new tg.TensorBoard({ logDir }),
    loadDataset: (dir) => tg.loadDataset('mnist', { dir }),
    datasetStatus: (dir) => tg.datasetStatus('mnist', { dir }),
    fetchDataset: (dir) => tg.fetchDataset('mnist', { dir }),
    loadTuning: (folder) => tg.loadTuning(device, { folder }),
    tune: (folder) => tg.tune(device, [], { folder }),
  };
  const before = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-paths-'));
  beforeAll(() => process.chdir(folder));
  afterAll(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(Object.entries({ ...takers, ...optional }))('%s', async (name, take) => {
    for (const path of wrong.filter((value) => value !== undefined || name in takers)) {
      const result = (async () => take(path as never))();
      await expect(result, String(path)).rejects.toThrow(tg.ArgumentError);
      await expect(result, String(path)).rejects.toThrow(/must be text|must be a path|path/);
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});

test.each([
  ['decodeNpy', tg.decodeNpy],
  ['decodeSafetensors', tg.decodeSafetensors],
  ['chromeTrace', tg.chromeTrace],
  ['noGrad', tg.noGrad],
  ['WeightCopy', (...args: [never]) => new tg.WeightCopy(...args)],
])('%s throws, and says that nothing was given', (name, call) => {
  for (const args of [[], [null], [3]]) {
    expect(() => (call as (...args: unknown[]) => unknown)(...args)).toThrow(tg.ArgumentError);
    expect(() => (call as (...args: unknown[]) => unknown)(...args)).toThrow(new RegExp(`^${name}: `));
  }
});
