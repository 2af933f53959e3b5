import { recordingOf, type StepNumber } from '../../autograd/step-recording.ts';
import { DisposedError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { StepState } from '../../kernels/optimizers/step-state.ts';

/** An optimizer that was made for a model's weights. */
export interface AttachedOptimizer {
  readonly nextStep: number | StepState;
  readonly iterations: number;
  dispose(): void;
}

/**
 * What the random layers of a model draw by in loops of one's own: each call in training draws anew. With an optimizer that was made for the
 * model they draw by the number of its next step, as in `fit`; without one by the number of the call.
 */
export class TrainingDraws implements StepNumber {
  /** Calls that had no optimizer; a recorded one counts at each run. */
  iterations = 0;
  /** Carries the number of the call into recorded steps. */
  private state: StepState | null = null;
  /** The step or the recording that calls are counted in, so that several in one do not draw alike. */
  private countedIn: unknown = null;
  private callsInStep = 0;

  constructor(private readonly device: Device) {}

  /** For the next call: the number of the step, and which call within that step it is, from 0. */
  next(optimizer: AttachedOptimizer | undefined): { step: number | StepState; call: number } {
    const recording = recordingOf(this.device);
    const current = recording ?? optimizer?.iterations ?? null;
    if (current === null || current !== this.countedIn) this.callsInStep = 0;
    this.countedIn = current;
    const call = this.callsInStep++;
    if (optimizer) return { step: optimizer.nextStep, call };
    if (!recording) return { step: ++this.iterations, call };
    recording.addStepNumber(this);
    this.state ??= new StepState(this.device);
    return { step: this.state, call };
  }

  /** To be called before each run of a recorded step. @throws DisposedError */
  write(step: number): void {
    if (!this.state)
      throw new DisposedError('compileStep: a model that the step calls was disposed; compile a step of another one');
    this.iterations = step;
    this.state.write({ batchStart: 0, step });
  }

  dispose(): void {
    this.state?.dispose();
    this.state = null;
  }
}
