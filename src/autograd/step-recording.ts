import { ArgumentError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';
import { showShape } from '../kernels/array.ts';
import type { TapeTensor } from './node.ts';

/** State of a leaf's gradient when a recorded step first uses it. */
type InitialGrad = 'cleared' | 'none' | 'some';

const activeRecordings = new WeakMap<Device, StepRecording>();

/** The step that `compileStep` is recording on a device; null if there is none. */
export const recordingOf = (device: Device): StepRecording | null =>
  device.recording ? (activeRecordings.get(device) ?? null) : null;

/** Step number that random layers of a recorded step read; the host writes it before each run. */
export interface StepNumber {
  readonly iterations: number;
  write(step: number): void;
}

/** An optimizer in a recorded step: what the host does at each run. */
export interface RecordedOptimizer extends StepNumber {
  readonly frozenKey: string;
  /** @throws the errors that `begin` would throw */
  check(): void;
  begin(): void;
}

/** State of a step while it is recorded. Each run begins with the gradients that the previous run left. */
export class StepRecording {
  private readonly initialGrads = new Map<TapeTensor, InitialGrad>();
  /** Gradients after the step, with their storage if it is the leaf's `gradBuffer`. */
  private readonly finalGrads = new Map<TapeTensor, { grad: TapeTensor | null; home: Storage | null }>();
  /** Optimizers whose `step` is part of the step. */
  readonly steps = new Set<RecordedOptimizer>();
  /** Step numbers of random layers and optimizers. */
  readonly numbers = new Set<StepNumber>();
  /** First error of the step that may not have been seen where it was thrown. */
  private error: Error | null = null;

  constructor(private readonly device: Device) {}

  /** Runs `body` as the recorded step. @throws the first error given to `refuse` */
  run<T>(body: () => T): T {
    activeRecordings.set(this.device, this);
    try {
      const result = body();
      if (this.error) throw this.error;
      return result;
    } finally {
      activeRecordings.delete(this.device);
    }
  }

  /** Notes an error that the caller may not see, such as one in a promise. */
  refuse(error: Error): void {
    this.error ??= error;
  }

  /** @throws ArgumentError for a second `step` of an optimizer, which would have the rate and number of the first */
  addOptimizer(optimizer: RecordedOptimizer): void {
    if (this.steps.has(optimizer)) {
      throw new ArgumentError(
        'compileStep: step() was called twice for one optimizer; compile one step, and call it twice',
      );
    }
    this.steps.add(optimizer);
  }

  addStepNumber(number: StepNumber): void {
    this.numbers.add(number);
  }

  /** Notes that a leaf's gradient was cleared. */
  noteCleared(leaf: TapeTensor): void {
    if (!this.initialGrads.has(leaf)) this.initialGrads.set(leaf, 'cleared');
  }

  /** Notes that a gradient is about to be added to a leaf's. */
  noteAccumulation(leaf: TapeTensor): void {
    if (!this.initialGrads.has(leaf)) this.initialGrads.set(leaf, leaf.grad ? 'some' : 'none');
  }

  /** Leaves whose gradients the step set or cleared. */
  get leaves(): Iterable<TapeTensor> {
    return this.initialGrads.keys();
  }

  /** Removes the gradients of a recording that failed: they were never computed. */
  undo(): void {
    for (const [leaf, first] of this.initialGrads) if (first !== 'some') leaf.clearGrad();
  }

  /** Whether the leaves still have the gradients that the step left; other changes are not part of its runs. */
  get isCurrent(): boolean {
    return [...this.finalGrads].every(
      ([{ grad }, left]) => grad === left.grad || (grad?.array.storage.isSame(left.home) ?? false),
    );
  }

  /** Notes the gradients after the step. @throws ArgumentError if a later run would not do the same to them as a plain loop */
  checkGradients(): void {
    for (const [leaf, first] of this.initialGrads) {
      const { grad, gradBuffer } = leaf;
      const home = gradBuffer?.storage ?? null;
      this.finalGrads.set(leaf, { grad, home: grad?.array.storage.isSame(home) ? home : null });
      if (first === 'cleared' || (first === 'some') === (leaf.grad !== null)) continue;
      throw new ArgumentError(
        `compileStep: the gradient of a tensor of shape ${showShape(leaf.shape)} ${first === 'none' ? 'stays after the step' : 'was there before the step'}, ` +
          'so its next run would not do the same again; call optimizer.clearGrad(), or tensor.clearGrad(), in the step',
      );
    }
  }
}
