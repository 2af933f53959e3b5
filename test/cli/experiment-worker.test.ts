import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.ts';
import { readFiles, writeFiles } from '../../src/cli/experiment-job.ts';
import { experimentHandler } from '../../src/cli/experiment-worker.ts';
import { CannotRunJob, type JobContext } from '../../src/jobs/handler.ts';
import { FakeIo, fakeModules, lenetOf } from './fakes.ts';

/** A worker with the fake engine, which trains nothing. */
async function fakeWorker(options: Parameters<typeof fakeModules>[0] = {}) {
  const { modules, log } = fakeModules(options);
  const engine = await modules.engine();
  const device = await engine.openDevice();
  const tuning = await engine.loadTuning(device, () => {});
  const { experiments } = await modules.catalogue();
  const io = new FakeIo();
  const { run } = experimentHandler({ experiments, engine, device, tuning, io, name: 'w', adapter: 'llvmpipe' });
  const printed: string[] = [];
  const context: JobContext = {
    ...{ key: 'key', signal: new AbortController().signal, fileNames: [], files: {} },
    print: (line) => printed.push(line),
    file: async (name) => {
      throw new Error(`no ${name}`);
    },
  };
  const request = { id: 'A1', scale: 'smoke', seed: 1 };
  const ask = (job: object) => run({ row: 'A1', request, name: 'baseline', hash: '0'.repeat(16), ...job }, context);
  const hash = async () => {
    const error = await ask({}).catch((one) => one);
    return /is ([0-9a-f]{16}) on this worker/.exec(error.message)![1]!;
  };
  return { ask, hash, printed, log };
}

test('throws CannotRunJob, and computes nothing, if the hash of a result differs', async () => {
  const { ask, log } = await fakeWorker();
  const refused = ask({});
  await expect(refused).rejects.toThrow(CannotRunJob);
  await expect(refused).rejects.toThrow(
    /^the key of baseline is [0-9a-f]{16} on this worker, not 0{16}: the code of A1 differs$/,
  );
  expect(log.fits).toEqual([]);
});

test('computes the requested result, returns what was printed, and does not run the rest of the experiment', async () => {
  let hasEnded = false;
  const { ask, hash, printed, log } = await fakeWorker({
    experiments: (network) => {
      const row = lenetOf(network);
      return [{ ...row, run: (context) => row.run(context).finally(() => (hasEnded = true)) }];
    },
  });
  const good = await hash();
  hasEnded = false;
  const { value } = (await ask({ hash: good })) as { value: { value: { worker: string }; seconds: number } };
  expect(value.value).toMatchObject({ name: 'baseline', seeds: [1], worker: 'w (llvmpipe)' });
  expect(printed.join('\n')).toMatch(/A1: training baseline, seed 1\n[\s\S]*Epoch 1\/1 {2}loss/);
  expect([log.fits.length, hasEnded]).toEqual([1, false]);
});

test('throws if the experiment never computes the result, or does not exist', async () => {
  const { ask } = await fakeWorker({ experiments: (network) => [lenetOf(network, { run: async () => [] })] });
  await expect(ask({ name: 'other' })).rejects.toThrow(/^A1 ends on this worker without other: its code differs$/);
  await expect(ask({ row: 'A9' })).rejects.toThrow(/^it has no experiment A9$/);
  await expect(ask({})).rejects.toThrow(CannotRunJob);
});

test('rejects with the error that the experiment throws', async () => {
  const run = async () => {
    throw new DataError('image 7 is torn');
  };
  const { ask } = await fakeWorker({ experiments: (network) => [lenetOf(network, { run })] });
  await expect(ask({})).rejects.toThrow(DataError);
});

test('writeFiles, readFiles: transfer files of logs and weights by their paths, and no others', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-files-'));
  const bytes = Uint8Array.of(1, 2, 3);
  const paths = ['logs/a/events.out', 'weights/transfer-full-seed-1.safetensors'];
  expect([
    ...(await writeFiles(folder, paths.map((path) => `file/${path}`).concat('part/x'), async () => bytes)),
  ]).toEqual(paths);
  writeFileSync(join(folder, 'run.json'), '{}');
  expect(Object.keys(readFiles(folder)).sort()).toEqual(paths.map((path) => `file/${path}`));
  expect(Object.keys(readFiles(folder, ['weights']))).toEqual([`file/${paths[1]}`]);
  expect(Object.keys(readFiles(folder, undefined, new Set([paths[0]!])))).toEqual([`file/${paths[1]}`]);
  for (const path of [
    '../escaped',
    '/etc/escaped',
    'logs/../../escaped',
    'weights/.hidden',
    'run.json',
    'logs',
    'parts/a',
  ]) {
    await expect(writeFiles(folder, [`file/${path}`], async () => bytes)).rejects.toThrow(DataError);
  }
  expect(readdirSync(folder).sort()).toEqual(['logs', 'run.json', 'weights']);
  expect(existsSync(join(folder, '../escaped'))).toBe(false);
  rmSync(folder, { recursive: true });
});
