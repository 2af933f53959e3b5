import { drawInputs, type Inputs, kernelShapes, type Workload, workloads } from '../peers/workloads.ts';

type Program = (
  workload: Workload,
  inputs: Inputs,
  shapes: number[][],
) => Promise<{ check: number[]; run(runs: number): Promise<unknown> }>;

/** What the coordinator finds in a page: the same programs of the engines as in Node, without a process. */
export interface PageEngine {
  version: string;
  adapter: string;
  /** Resolves to figures that must agree with the other engines'. */
  prepare(name: string): Promise<number[]>;
  /** Resolves to the milliseconds of `runs` runs. */
  run(runs: number): Promise<number>;
}

/** Makes an engine the page's. */
export function serveInPage(version: string, adapter: string, program: Program): PageEngine {
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
