/**
 * `npm run bench -- ladder`: c = a b for 512 x 512 x 512, from a naive kernel to the engine's own, with one idea per rung. Every rung is
 * first compared with float64, then timed in turns with the others and with the adapter's multiply-adds, in one run.
 */

import { DeviceArray, withScope } from '../../src/kernels/array.ts';
import { matmul } from '../../src/kernels/matmul/matmul.ts';
import { type Device, openDevice } from '../../src/node.ts';
import { measureCeilings } from '../ceilings.ts';
import { table } from '../table.ts';
import { runsFor } from '../timing.ts';
import { canRun, climb, rungs } from './rungs.ts';

const SIZE = 512;
const ROUNDS = 5;
/** Elements of each result compared with float64. */
const SAMPLES = 2000;

interface Candidate {
  name: string;
  run(): DeviceArray;
}

function createRandomMatrix(device: Device): { host: Float32Array<ArrayBuffer>; array: DeviceArray } {
  const host = Float32Array.from({ length: SIZE * SIZE }, () => Math.random() - 0.5);
  const array = DeviceArray.empty(device, [SIZE, SIZE]).keep();
  device.upload(array.storage, host);
  return { host, array };
}

/** Returns the largest error of random elements. A sum of 512 products of numbers below 0.5 has an error of about 1e-6. */
async function measureError(device: Device, run: () => DeviceArray, a: Float32Array, b: Float32Array): Promise<number> {
  const c = run();
  const values = new Float32Array(await device.read(c.storage));
  c.dispose();
  let worst = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const index = Math.floor(Math.random() * values.length);
    const [m, n] = [Math.floor(index / SIZE), index % SIZE];
    let sum = 0;
    for (let k = 0; k < SIZE; k++) sum += a[m * SIZE + k]! * b[k * SIZE + n]!;
    worst = Math.max(worst, Math.abs(sum - values[index]!));
  }
  return worst;
}

async function main(device: Device): Promise<string> {
  const [a, b] = [createRandomMatrix(device), createRandomMatrix(device)];
  const candidates: Candidate[] = rungs
    .filter((rung) => canRun(device, rung))
    .map((rung) => ({ name: rung.name, run: () => climb(rung, a.array, b.array) }));
  candidates.push({ name: "the engine's matmul", run: () => matmul(a.array, b.array) });

  const timeRun = async (run: () => DeviceArray, times: number) => {
    const begun = performance.now();
    for (let i = 0; i < times; i++) withScope(device, run, () => []);
    await device.sync();
    return (performance.now() - begun) / times;
  };
  const entries: (Candidate & { error: number; firstMs: number; times: number; best: number })[] = [];
  for (const { name, run } of candidates) {
    const begun = performance.now();
    const error = await measureError(device, run, a.host, b.host);
    const firstMs = performance.now() - begun;
    const best = await timeRun(run, 1);
    entries.push({ name, run, error, firstMs, times: runsFor(best, 100), best });
  }
  let ceiling = (await measureCeilings(device)).fmaGflops;
  for (let round = 0; round < ROUNDS; round++) {
    for (const entry of entries) entry.best = Math.min(entry.best, await timeRun(entry.run, entry.times));
  }
  ceiling = Math.max(ceiling, (await measureCeilings(device)).fmaGflops);
  const rows = entries.map(({ name, best, error, firstMs }) => {
    const rate = (2 * SIZE ** 3) / best / 1e6;
    const share = `${((100 * rate) / ceiling).toFixed(0)}%`;
    return [name, best.toFixed(2), rate.toFixed(1), share, firstMs.toFixed(0), error.toExponential(1)];
  });
  const { info } = device;
  return `${info.name}${info.isSoftware ? ' (CPU)' : ''}, ${info.driver}; multiply-adds in registers ${ceiling.toFixed(1)} GFLOP/s\n${table(
    ['rung', 'ms', 'GFLOP/s', 'of ceiling', 'first run, ms', 'error'],
    rows,
  )}`;
}

const device = await openDevice();
try {
  process.stdout.write(await main(device));
} finally {
  device.dispose();
}
