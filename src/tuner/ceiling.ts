import { checkDevice, type Device } from '../gpu/device.ts';
import { DeviceArray } from '../kernels/array.ts';
import { copyVec4, FMA_INVOCATIONS, fmaChains } from '../kernels/ceiling.ts';

/** Measured peak rates of an adapter; a multiply-add counts as two operations. */
export interface Ceilings {
  /** Multiply-adds in registers, GFLOP/s. */
  fmaGflops: number;
  /** Copy from one buffer to another, read plus written bytes, GB/s. */
  copyGBs: number;
}

/** Bytes of the copied buffer: larger than the caches of most adapters. */
const COPY_BYTES = 2 ** 26;
/** Shortest measured run in seconds, so that submit and wait are a small share. */
const MIN_SECONDS = 0.05;
const REPEATS = 5;

/** Seconds of `run`, including the wait for the device. */
async function secondsOf(device: Device, run: () => void): Promise<number> {
  const begun = performance.now();
  run();
  await device.sync();
  return (performance.now() - begun) / 1000;
}

/** Highest rate per second of `run(amount)`, which returns how much it did; the best of several runs. */
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

/** The adapter's arithmetic ceiling, GFLOP/s. */
async function fmaCeiling(device: Device): Promise<number> {
  const y = DeviceArray.empty(device, [FMA_INVOCATIONS]).keep();
  try {
    return (await bestRate(device, (rounds) => fmaChains(y, 16 * rounds))) / 1e9;
  } finally {
    y.dispose();
  }
}

/** The adapter's memory ceiling, GB/s. */
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

/** Measures both ceilings, in about a second. */
export async function measureCeilings(device: Device): Promise<Ceilings> {
  checkDevice('measureCeilings', device);
  return { fmaGflops: await fmaCeiling(device), copyGBs: await copyCeiling(device) };
}
