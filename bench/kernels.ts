import { ArgumentError } from '../src/base/errors.ts';
import type { Device } from '../src/gpu/device.ts';
import type { Program } from '../src/gpu/recorder.ts';
import { DeviceArray, withScope } from '../src/kernels/array.ts';
import type { Ceilings } from './ceilings.ts';
import type { KernelCase } from './kernel-case.ts';
import { bestOf, runsFor, type Timing, timeShortestRun } from './timing.ts';

/** The result of a timed kernel, for the table and `--json`. */
export interface KernelResult {
  name: string;
  timing: Timing;
  gflops: number;
  /** GB/s: `bytes` of the case divided by the time. */
  gbs: number;
  bound: 'compute' | 'memory';
  percentOfCeiling: number;
}

/** Most runs of a round. Each run has at least one dispatch and one bind group. */
const RUNS_LIMIT = 200;

/** Times the kernel that the engine chooses, or one variant. @throws ArgumentError if the variant does not support the shape */
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
  /** Arrays that the case creates; they live until its end. */
  const created = new Set<{ dispose(): void }>();
  const programs: Program[] = [];
  /** Records `runs` runs, so that the host's work per dispatch is the same as in a training step. */
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
    device.scopes.push(created);
    const run = one.setUp(draw, device);
    device.scopes.pop();
    const once = record(() => run(options.variant), 1);
    await once(); // compiles
    const runs = runsFor(await timeShortestRun(once), RUNS_LIMIT);
    const timing = await bestOf(options.rounds, runs, runs === 1 ? once : record(() => run(options.variant), runs));
    const gflops = one.flops / timing.ms / 1e6;
    const gbs = one.bytes / timing.ms / 1e6;
    const share = one.bound === 'compute' ? gflops / ceilings.fmaGflops : gbs / ceilings.copyGBs;
    return { name: one.name, timing, gflops, gbs, bound: one.bound, percentOfCeiling: 100 * share };
  } finally {
    for (const disposable of [...programs, ...created]) disposable.dispose();
  }
}

/** Times every variant that supports the shape, one after another in the same process. The reference is the first. */
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
      if (!(error instanceof ArgumentError)) throw error; // the variant has no kernel for this adapter or shape
    }
  }
  return results;
}
