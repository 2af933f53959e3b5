import type { Program } from '../src/gpu/recorder.ts';
import { ImageLoader, openDevice } from '../src/node.ts';
import type { StepCase } from './steps.ts';
import { bestOf, quickest, runsFor } from './timing.ts';
import { modelOn, noise, SAMPLE } from './workloads.ts';

/** Where the time of a training step goes: each of its dispatches, run alone many times, and the whole. */
export interface Breakdown {
  kernels: { name: string; ms: number }[];
  /** Of all dispatches together. */
  wholeMs: number;
}

/** Takes a step that `fit` has recorded apart, while `fit` waits. */
export async function breakDown({ model: kind, batch, replicas }: StepCase, rounds: number): Promise<Breakdown> {
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
      const runs = runsFor(await quickest(() => round(1)), 200);
      return (await bestOf(rounds, runs, () => round(runs))).ms;
    };
    const result: Breakdown = { kernels: [], wholeMs: 0 };
    const data = new ImageLoader(device, noise(batch, SAMPLE[kind]));
    await modelOn(device, kind, { replicas }).fit(data, {
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
