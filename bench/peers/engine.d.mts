import type { Inputs, Workload } from './workloads.ts';

export function serve(
  version: string,
  prepare: (
    workload: Workload,
    inputs: Inputs,
    shapes: number[][],
  ) => Promise<{ check: number[]; run(runs: number): Promise<unknown> }>,
): Promise<void>;
