import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { writeFileAtomic } from '../src/base/atomic-file.ts';
import type { KernelResult } from './kernels.ts';
import { UsageError } from './options.ts';
import type { StartTimes } from './start-times.ts';
import type { StepResult } from './steps.ts';

const number = z.number();

/** The result that `--json` prints and `--compare` reads. */
export const resultSchema = z.object({
  adapter: z.string(),
  driver: z.string(),
  ceilings: z.object({ fmaGflops: number, copyGBs: number }),
  kernels: z.array(z.object({ name: z.string(), ms: number, gflops: number, percentOfCeiling: number })),
  steps: z.array(
    z.object({
      name: z.string(),
      ms: number,
      samplesPerSecond: number,
      dispatches: number,
      submits: number,
      createdObjects: number,
      peakBytes: number,
    }),
  ),
  /** From the start of the process to the end of LeNet-5's first step. */
  start: z.object({ coldMs: number, warmMs: number, rounds: number }).optional(),
  /** How each time was measured: the best of `rounds` rounds of `runs` runs. */
  repeats: z.record(z.string(), z.object({ rounds: number, runs: number })).optional(),
  /** Cases without a result, which only `--out` has. */
  failed: z.array(z.object({ name: z.string(), error: z.string() })).optional(),
});
export type BenchResult = z.infer<typeof resultSchema>;
export type FailedCase = NonNullable<BenchResult['failed']>[number];

/** Returns the measurements in the form of `--json`. */
export function resultOf(
  measured: { adapter: string; driver: string; ceilings: BenchResult['ceilings'] },
  kernels: readonly KernelResult[],
  steps: readonly StepResult[],
  start: StartTimes | null,
  failed: readonly FailedCase[] = [],
): BenchResult {
  return {
    ...measured,
    kernels: kernels.map(({ name, timing, gflops, percentOfCeiling }) => ({
      name,
      ms: timing.ms,
      gflops,
      percentOfCeiling,
    })),
    steps: steps.map(({ name, timing, ...rest }) => ({ name, ms: timing.ms, ...rest })),
    ...(start && { start }),
    repeats: Object.fromEntries(
      [...kernels, ...steps].map(({ name, timing: { rounds, runs } }) => [name, { rounds, runs }]),
    ),
    ...(failed.length > 0 && { failed: [...failed] }),
  };
}

/** Reads an earlier result. @throws UsageError if the file cannot be read or has another form */
export function readResult(path: string): BenchResult {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--compare: cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
  const parsed = resultSchema.safeParse(value);
  if (!parsed.success) {
    throw new UsageError(
      `--compare: ${path} is not what \`npm run --silent bench -- --json\` prints:\n${z.prettifyError(parsed.error)}`,
    );
  }
  return parsed.data;
}

/** Writes a result for `--out`, completely or not at all. @throws UsageError if the file cannot be written */
export function writeResult(path: string, result: object): void {
  try {
    writeFileAtomic(path, `${JSON.stringify(result, null, 2)}\n`);
  } catch (error) {
    throw new UsageError(`--out: cannot write ${path}: ${error instanceof Error ? error.message : error}`);
  }
}
