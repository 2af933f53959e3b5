import { ArgumentError } from '../src/base/errors.ts';
import type { Device } from '../src/gpu/device.ts';
import type { Program } from '../src/gpu/recorder.ts';
import { DeviceArray, withScope } from '../src/kernels/array.ts';
import type { Ceilings } from './ceilings.ts';
import type { KernelCase } from './kernel-case.ts';
import { bestOf, quickest, runsFor, type Timing } from './timing.ts';

/** The result of a timed kernel, for the table and `--json`. */
export interface KernelResult {
  name: string;
  timing: Timing;
  gflops: number;
  /** Least bytes moved, a second. */
  gbs: number;
  bound: 'compute' | 'memory';
  percentOfCeiling: number;
}

/** Runs a round has at most: each is a dispatch or more, and has a bind group. */
const RUNS_LIMIT = 200;

/** Times a kernel as the engine would choose it, or one variant. @throws ArgumentError if the variant does not support the shape */
export async function timeKernel(
  device: Device,
  one: KernelCase,
  ceilings: Ceilings,
  options: { rounds: number; variant?: string },
): Promise<KernelResult> {
  const draw = (shape: readonly number[]) => {
    const array = DeviceArray.empty(device, shape);
    device.upload(
      array.storage,
      Float32Array.from({ length: array.size }, () => Math.random()),
    );
    return array;
  };
  /** What the case makes lives until it is over. */
  const made = new Set<{ dispose(): void }>();
  const programs: Program[] = [];
  /** A recorded list of `runs` runs, so that the host's part in a dispatch is what it is in a training step. */
  const record = (run: () => void, runs: number) => {
    const program = device.record(() => {
      for (let i = 0; i < runs; i++) withScope(device, run, () => []);
    });
    programs.push(program);
    return async () => {
      const begun = performance.now();
      program.run();
      await device.sync();
      return performance.now() - begun;
    };
  };
  try {
    device.scopes.push(made);
    const run = one.setUp(draw, device);
    device.scopes.pop();
    const once = record(() => run(options.variant), 1);
    await once(); // compiles
    const runs = runsFor(await quickest(once), RUNS_LIMIT);
    const timing = await bestOf(options.rounds, runs, runs === 1 ? once : record(() => run(options.variant), runs));
    const gflops = one.flops / timing.ms / 1e6;
    const gbs = one.bytes / timing.ms / 1e6;
    const share = one.bound === 'compute' ? gflops / ceilings.fmaGflops : gbs / ceilings.copyGBs;
    return { name: one.name, timing, gflops, gbs, bound: one.bound, percentOfCeiling: 100 * share };
  } finally {
    for (const disposable of [...programs, ...made]) disposable.dispose();
  }
}

/** Every variant that supports the shape, in turns within one run because machines are noisy. The reference is the first. */
export async function timeVariants(
  device: Device,
  one: KernelCase,
  ceilings: Ceilings,
  rounds: number,
): Promise<{ variant: string; result: KernelResult }[]> {
  const results: { variant: string; result: KernelResult }[] = [];
  for (const variant of one.variants) {
    try {
      results.push({ variant, result: await timeKernel(device, one, ceilings, { rounds, variant }) });
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error; // that variant has no kernel for this adapter or shape
    }
  }
  return results;
}
