import { checkDevice, type Device } from '../gpu/device.ts';
import { DeviceArray } from '../kernels/array.ts';
import { copyVec4, FMA_INVOCATIONS, fmaChains } from '../kernels/ceiling.ts';

/** What an adapter can do at best, measured on it; a multiply-add counts as two operations. */
export interface Ceilings {
  /** Multiply-adds in registers, GFLOP/s. */
  fmaGflops: number;
  /** A copy from one buffer to another, read and written bytes together, GB/s. */
  copyGBs: number;
}

/** Bytes of the copied buffer: more than the caches of most adapters hold. */
const COPY_BYTES = 2 ** 26;
/** Seconds that a measured run takes at least, to drown the submit and the wait. */
const MIN_SECONDS = 0.05;
const REPEATS = 5;

/** Seconds of `run`, after which the device is waited for. */
async function secondsOf(device: Device, run: () => void): Promise<number> {
  const begun = performance.now();
  run();
  await device.sync();
  return (performance.now() - begun) / 1000;
}

/** The most that `run(amount)`, which says how much it did, does in a second; the best of several. */
async function bestRate(device: Device, run: (amount: number) => number): Promise<number> {
  await secondsOf(device, () => void run(1)); // compiles
  let amount = 1;
  while ((await secondsOf(device, () => void run(amount))) < MIN_SECONDS) amount *= 2;
  let rate = 0;
  for (let i = 0; i < REPEATS; i++) {
    let done = 0;
    const seconds = await secondsOf(device, () => {
      done = run(amount);
    });
    rate = Math.max(rate, done / seconds);
  }
  return rate;
}

/** The adapter's arithmetic ceiling alone, GFLOP/s. */
async function fmaCeiling(device: Device): Promise<number> {
  const y = DeviceArray.empty(device, [FMA_INVOCATIONS]).keep();
  try {
    return (await bestRate(device, (rounds) => fmaChains(y, 16 * rounds))) / 1e9;
  } finally {
    y.dispose();
  }
}

/** The adapter's memory ceiling alone, GB/s. */
async function copyCeiling(device: Device): Promise<number> {
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const shape = [Math.min(COPY_BYTES, maxBufferSize, maxStorageBufferBindingSize) / 4];
  const [x, y] = [DeviceArray.empty(device, shape).keep(), DeviceArray.empty(device, shape).keep()];
  const copies = (times: number) => {
    let bytes = 0;
    for (let i = 0; i < times; i++) bytes += copyVec4(x, y);
    return bytes;
  };
  try {
    return (await bestRate(device, copies)) / 1e9;
  } finally {
    x.dispose();
    y.dispose();
  }
}

/** Both ceilings, in about a second. */
export async function measureCeilings(device: Device): Promise<Ceilings> {
  checkDevice('measureCeilings', device);
  return { fmaGflops: await fmaCeiling(device), copyGBs: await copyCeiling(device) };
}
