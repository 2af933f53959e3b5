import type { Device } from '../src/gpu/device.ts';
import { DeviceArray } from '../src/kernels/array.ts';
import { runKernel } from '../src/kernels/run.ts';
import code from './ceiling.wgsl';

const GROUPS = 512;
/** Multiply-adds in the body of the shader's loop. */
const CHAINS = 96;

/** The adapter's ceiling in GFLOP/s: multiply-adds in registers, a multiply-add counting as two. Best of five. */
export async function ceiling(device: Device): Promise<number> {
  const y = DeviceArray.empty(device, [64 * GROUPS]).keep();
  const time = async (rounds: number) => {
    const begun = performance.now();
    runKernel(device, { name: 'ceiling', code }, [rounds, 0, 0, 0], [y], [GROUPS, 1, 1]);
    await device.sync();
    return (performance.now() - begun) / 1000;
  };
  await time(1); // compiles
  let rounds = 64;
  while ((await time(rounds)) < 0.05) rounds *= 2;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) best = Math.min(best, await time(rounds));
  y.dispose();
  return (2 * CHAINS * rounds * 64 * GROUPS) / best / 1e9;
}
