import type { AdapterInfo } from '../src/node.ts';
import type { Ceilings } from './ceilings.ts';
import type { KernelResult } from './kernels.ts';
import { type BenchResult, type FailedCase, resultOf, writeResult } from './result.ts';
import { adapterName } from './show.ts';
import type { StartTimes } from './start-times.ts';
import type { StepResult } from './steps.ts';

/** Measurements of a run. With `out`, a file has them after each case, and a case that fails does not stop the others. */
export class Measured {
  readonly kernels: KernelResult[] = [];
  readonly steps: StepResult[] = [];
  start: StartTimes | null = null;
  readonly failed: FailedCase[] = [];

  constructor(
    private readonly info: AdapterInfo,
    readonly ceilings: Ceilings,
    private readonly out: string | undefined,
    private readonly say: (line: string) => void,
  ) {
    this.save();
  }

  result(): BenchResult {
    const { info, ceilings, kernels, steps, start, failed } = this;
    const adapter = { adapter: adapterName(info), driver: info.driver, ceilings };
    return resultOf(adapter, kernels, steps, start, failed);
  }

  /** Runs a case. @returns whether it failed. @throws its error if there is no `out` */
  async run(name: string, work: () => Promise<void>): Promise<boolean> {
    this.say(`${name} ...`);
    const { length } = this.failed;
    try {
      await work();
    } catch (error) {
      if (this.out === undefined) throw error;
      const message = error instanceof Error ? error.message : `${error}`;
      this.say(`${name} failed: ${message}`);
      this.failed.push({ name, error: message });
    }
    this.save();
    return this.failed.length > length;
  }

  private save(): void {
    if (this.out !== undefined) writeResult(this.out, this.result());
  }
}
