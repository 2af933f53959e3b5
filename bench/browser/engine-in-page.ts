import { drawInputs, type Inputs, kernelShapes, type Workload, workloads } from '../peers/workloads.ts';

type Program = (
  workload: Workload,
  inputs: Inputs,
  shapes: number[][],
) => Promise<{ check: number[]; run(runs: number): Promise<unknown> }>;

/** The engine of a page, which the coordinator calls. It runs the same program as in Node. */
export interface PageEngine {
  version: string;
  adapter: string;
  /** Prepares a workload. @returns losses or outputs that must agree with those of the other engines */
  prepare(name: string): Promise<number[]>;
  /** Runs the workload `runs` times. @returns milliseconds */
  run(runs: number): Promise<number>;
}

/** Returns the engine for a page. */
export function createPageEngine(version: string, adapter: string, program: Program): PageEngine {
  let work: Awaited<ReturnType<Program>>;
  return {
    version,
    adapter,
    async prepare(name) {
      const workload = workloads.find((one) => one.name === name)!;
      work = await program(workload, drawInputs(workload), kernelShapes(workload));
      return work.check;
    },
    async run(runs) {
      const begun = performance.now();
      const ms = await work.run(runs);
      return typeof ms === 'number' ? ms : performance.now() - begun;
    },
  };
}
