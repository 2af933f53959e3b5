import type { Program } from '../src/gpu/recorder.ts';
import { ImageLoader, openDevice } from '../src/node.ts';
import type { StepCase } from './steps.ts';
import { bestOf, runsFor, timeShortestRun } from './timing.ts';
import { modelOn, noise, SAMPLE } from './workloads.ts';

/** Times of a training step: of each dispatch, run alone many times, and of the whole step. */
export interface Breakdown {
  kernels: { name: string; ms: number }[];
  /** Milliseconds of all dispatches together. */
  wholeMs: number;
}

/** Times the dispatches of a step that `fit` has recorded, while `fit` waits in a callback. */
export async function timeDispatches(
  { model: kind, batch, replicas, recompute }: StepCase,
  rounds: number,
): Promise<Breakdown> {
  const device = await openDevice();
  try {
    const programs: Program[] = [];
    const record = device.record.bind(device);
    device.record = (build) => {
      const program = record(build);
      programs.push(program);
      return program;
    };
    const milliseconds = async (run: () => void) => {
      const round = async (runs: number) => {
        const begun = performance.now();
        for (let i = 0; i < runs; i++) run();
        await device.sync();
        return performance.now() - begun;
      };
      const runs = runsFor(await timeShortestRun(() => round(1)), 200);
      return (await bestOf(rounds, runs, () => round(runs))).ms;
    };
    const result: Breakdown = { kernels: [], wholeMs: 0 };
    const data = new ImageLoader(device, noise(batch, SAMPLE[kind]));
    await modelOn(device, kind, { replicas, recompute }).fit(data, {
      batchSize: batch,
      callbacks: [
        {
          async onEpochEnd() {
            const [program] = programs;
            if (!program) throw new Error('fit recorded no step');
            result.wholeMs = await milliseconds(() => program.run());
            for (const [i, name] of program.kernels.entries()) {
              result.kernels.push({ name, ms: await milliseconds(() => program.runOnly(i)) });
            }
          },
        },
      ],
    });
    return result;
  } finally {
    device.dispose();
  }
}
