import type { Device } from '../src/gpu/device.ts';
import { DeviceArray } from '../src/kernels/array.ts';
import { elementwise, runKernel } from '../src/kernels/run.ts';
import copyCode from './copy.wgsl';
import fmaCode from './fma.wgsl';
import { bestOf } from './timing.ts';

/** What the adapter does at best, measured by kernels that do nothing else. Kernels are held against it. */
export interface Ceilings {
  /** Multiply-adds in registers, each counted as two operations. */
  fmaGflops: number;
  /** A kernel that copies far more than caches hold; bytes read and bytes written both count. */
  copyGBs: number;
}

const FMA_GROUPS = 512;
/** Multiply-adds in the body of the shader's loop. */
const CHAINS = 96;
const ROUNDS = 5;
/** Bytes copied; two of them fit the smallest limits WebGPU guarantees. */
const COPY_BYTES = 64 * 2 ** 20;
const LEAST_MS = 50;

/** Best of five rounds of at least 50 ms. */
export async function measureCeilings(device: Device): Promise<Ceilings> {
  const time = async (dispatch: () => void) => {
    const begun = performance.now();
    dispatch();
    await device.sync();
    return performance.now() - begun;
  };
  /** The most `amount(n)` a millisecond, n being so large that a round lasts. */
  const best = async (amount: (n: number) => number, dispatch: (n: number) => void) => {
    await time(() => dispatch(1)); // compiles
    let n = 1;
    while ((await time(() => dispatch(n))) < LEAST_MS) n *= 2;
    return amount(n) / (await bestOf(ROUNDS, 1, () => time(() => dispatch(n)))).ms;
  };

  const sums = DeviceArray.empty(device, [64 * FMA_GROUPS]).keep();
  const fma = await best(
    (n) => 2 * CHAINS * n * sums.size,
    (n) => runKernel(device, { name: 'bench_fma', code: fmaCode }, [n, 0, 0, 0], [sums], [FMA_GROUPS, 1, 1]),
  );
  const [from, to] = [0, 1].map(() => DeviceArray.empty(device, [COPY_BYTES / 4]).keep()) as [DeviceArray, DeviceArray];
  const copy = await best(
    (n) => 2 * COPY_BYTES * n,
    (n) => {
      const source = { name: 'bench_copy', code: copyCode };
      const vectors = COPY_BYTES / 16;
      for (let i = 0; i < n; i++) runKernel(device, source, [vectors, 0, 0, 0], [from, to], elementwise(vectors));
    },
  );
  for (const array of [sums, from, to]) array.dispose();
  return { fmaGflops: fma / 1e6, copyGBs: copy / 1e6 };
}
