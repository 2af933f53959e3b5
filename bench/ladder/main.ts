/**
 * `npm run bench -- ladder`: c = a b for 512 x 512 x 512 from the plainest kernel to the engine's own, a rung for each idea. Every rung is
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

interface Contender {
  name: string;
  run(): DeviceArray;
}

function random(device: Device): { host: Float32Array<ArrayBuffer>; array: DeviceArray } {
  const host = Float32Array.from({ length: SIZE * SIZE }, () => Math.random() - 0.5);
  const array = DeviceArray.empty(device, [SIZE, SIZE]).keep();
  device.upload(array.storage, host);
  return { host, array };
}

/** The largest error of sampled elements. A sum of 512 products of numbers below a half has an error of some 1e-6. */
async function errorOf(device: Device, run: () => DeviceArray, a: Float32Array, b: Float32Array): Promise<number> {
  const c = run();
  const values = new Float32Array(await device.read(c.storage));
  c.dispose();
  let worst = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const at = Math.floor(Math.random() * values.length);
    const [m, n] = [Math.floor(at / SIZE), at % SIZE];
    let sum = 0;
    for (let k = 0; k < SIZE; k++) sum += a[m * SIZE + k]! * b[k * SIZE + n]!;
    worst = Math.max(worst, Math.abs(sum - values[at]!));
  }
  return worst;
}

async function main(device: Device): Promise<string> {
  const [a, b] = [random(device), random(device)];
  const contenders: Contender[] = rungs
    .filter((rung) => canRun(device, rung))
    .map((rung) => ({ name: rung.name, run: () => climb(rung, a.array, b.array) }));
  contenders.push({ name: "the engine's matmul", run: () => matmul(a.array, b.array) });

  const milliseconds = async (run: () => DeviceArray, times: number) => {
    const begun = performance.now();
    for (let i = 0; i < times; i++) withScope(device, run, () => []);
    await device.sync();
    return (performance.now() - begun) / times;
  };
  const entries: (Contender & { error: number; firstMs: number; times: number; best: number })[] = [];
  for (const { name, run } of contenders) {
    const begun = performance.now();
    const error = await errorOf(device, run, a.host, b.host);
    const firstMs = performance.now() - begun;
    const best = await milliseconds(run, 1);
    entries.push({ name, run, error, firstMs, times: runsFor(best, 100), best });
  }
  let top = (await measureCeilings(device)).fmaGflops;
  for (let round = 0; round < ROUNDS; round++) {
    for (const entry of entries) entry.best = Math.min(entry.best, await milliseconds(entry.run, entry.times));
  }
  top = Math.max(top, (await measureCeilings(device)).fmaGflops);
  const rows = entries.map(({ name, best, error, firstMs }) => {
    const rate = (2 * SIZE ** 3) / best / 1e6;
    const share = `${((100 * rate) / top).toFixed(0)}%`;
    return [name, best.toFixed(2), rate.toFixed(1), share, firstMs.toFixed(0), error.toExponential(1)];
  });
  const { info } = device;
  return `${info.name}${info.isSoftware ? ' (CPU)' : ''}, ${info.driver}; multiply-adds in registers ${top.toFixed(1)} GFLOP/s\n${table(
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
