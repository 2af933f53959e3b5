import { recordingOf, type StepNumber } from '../../autograd/step-recording.ts';
import { DisposedError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { StepState } from '../../kernels/optimizers/step-state.ts';

/** An optimizer that was created for a model's weights. */
export interface AttachedOptimizer {
  readonly nextStep: number | StepState;
  readonly iterations: number;
  dispose(): void;
}

/**
 * Step numbers by which a model's random layers draw in custom training loops, so that each call in training draws other numbers.
 * With an optimizer created for the model, this is the number of its next step, as in `fit`; without one, the number of the call.
 */
export class TrainingDraws implements StepNumber {
  /** Calls without an optimizer; a recorded call counts at each run. */
  iterations = 0;
  /** Holds the number of the call for recorded steps. */
  private state: StepState | null = null;
  /** The step or recording in which calls are counted, so that several calls in one step draw different numbers. */
  private countedIn: unknown = null;
  private callsInStep = 0;

  constructor(private readonly device: Device) {}

  /** For the next call: the number of the step, and the index of the call within that step, from 0. */
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

  /** Called before each run of a recorded step. @throws DisposedError if the model was disposed */
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
