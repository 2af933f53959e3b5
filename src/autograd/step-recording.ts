import { ArgumentError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';
import { showShape } from '../kernels/array.ts';
import type { TapeTensor } from './node.ts';

/** What a leaf's gradient was when a step that is being recorded first touched it. */
type InitialGrad = 'cleared' | 'none' | 'some';

const activeRecordings = new WeakMap<Device, StepRecording>();

/** The step that `compileStep` is recording on a device, if it is. */
export const recordingOf = (device: Device): StepRecording | null =>
  device.recording ? (activeRecordings.get(device) ?? null) : null;

/** What random layers draw by in a recorded step: the host writes its number before each run. */
export interface StepNumber {
  readonly iterations: number;
  write(step: number): void;
}

/** An optimizer, as a recorded step has it: what the host does at each run. */
export interface RecordedOptimizer extends StepNumber {
  readonly frozenKey: string;
  /** @throws what `begin` would */
  check(): void;
  begin(): void;
}

/** What has to be known of a step while it is recorded: its runs begin with the gradients that the one before left. */
export class StepRecording {
  private readonly initialGrads = new Map<TapeTensor, InitialGrad>();
  /** What gradients the step left, and which of them lie where an owner wants them. */
  private readonly finalGrads = new Map<TapeTensor, { grad: TapeTensor | null; home: Storage | null }>();
  /** Optimizers whose `step` is part of it. */
  readonly steps = new Set<RecordedOptimizer>();
  /** What random layers draw by, optimizers included. */
  readonly numbers = new Set<StepNumber>();
  /** What the step did that no recording can hold. */
  private error: Error | null = null;

  constructor(private readonly device: Device) {}

  /** Runs `body` as the step that is recorded. @throws what the step did that it may not */
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

  /** Notes an error that nobody might see where it happened, as in a promise. */
  refuse(error: Error): void {
    this.error ??= error;
  }

  /** @throws ArgumentError for a second step of an optimizer, whose rate and number would be those of the first */
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

  /** A leaf's gradient was cleared. */
  noteCleared(leaf: TapeTensor): void {
    if (!this.initialGrads.has(leaf)) this.initialGrads.set(leaf, 'cleared');
  }

  /** A leaf is about to get a gradient. */
  noteAccumulation(leaf: TapeTensor): void {
    if (!this.initialGrads.has(leaf)) this.initialGrads.set(leaf, leaf.grad ? 'some' : 'none');
  }

  /** Leaves that got gradients in it, or lost them. */
  get leaves(): Iterable<TapeTensor> {
    return this.initialGrads.keys();
  }

  /** Takes away the gradients that were to be computed by a recording which failed. */
  undo(): void {
    for (const [leaf, first] of this.initialGrads) if (first !== 'some') leaf.clearGrad();
  }

  /** Whether gradients are those that it left: what became of them since is no part of its runs. */
  get isCurrent(): boolean {
    return [...this.finalGrads].every(
      ([{ grad }, left]) => grad === left.grad || (grad?.array.storage.isSame(left.home) ?? false),
    );
  }

  /** Notes what gradients are left. @throws ArgumentError where they would be overwritten at each run that a plain loop adds up, or the other way round */
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
