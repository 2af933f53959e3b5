import type { Callback, CallbackState, Model, StepLogs, TrainInfo, TrainingData } from '../src/index.ts';

// Callbacks that record curves of each model every `everySteps` steps, as the coursework does.

/** Records `curves[name][model]` at `steps`, which are counted through all epochs. */
abstract class Recorder<Name extends string> implements Callback {
  steps: number[] = [];
  curves = {} as Record<Name, number[][]>;
  protected model: Model | null = null;
  private stepsPerEpoch = 0;

  constructor(
    readonly everySteps: number,
    private readonly names: readonly Name[],
  ) {}

  onTrainBegin({ model, samples, batchSize }: TrainInfo): void {
    this.model = model;
    const curves = this.names.map((name) => [name, Array.from({ length: model.replicas }, (): number[] => [])]);
    this.curves = Object.fromEntries(curves) as Record<Name, number[][]>;
    this.stepsPerEpoch = Math.ceil(samples! / batchSize!);
  }

  async onSteps(logs: StepLogs): Promise<void> {
    this.steps.push((logs.epoch - 1) * this.stepsPerEpoch + logs.step);
    await this.record(logs);
  }

  protected abstract record(logs: StepLogs): void | Promise<void>;

  protected add(name: Name, model: number, value: number): void {
    this.curves[name][model]!.push(value);
  }

  /** Values of the last recording that the next one needs. */
  protected before: CallbackState | null = null;

  state(): CallbackState {
    const { steps, curves, before } = this;
    return structuredClone({ steps, curves, before });
  }

  /** Restores the curves of an interrupted training. */
  restore({ steps, curves, before }: CallbackState): void {
    Object.assign(this, { steps, curves, before });
  }
}

/** Records training loss and accuracy, as means over the steps since the last recording. */
export class TrainingCurves extends Recorder<'loss' | 'accuracy'> {
  constructor(everySteps: number) {
    super(everySteps, ['loss', 'accuracy']);
  }

  protected record({ epoch, samples, replicas }: StepLogs): void {
    const figures = replicas.map(({ loss, accuracy = Number.NaN }) => ({ loss, accuracy }));
    const now = { epoch, samples, figures };
    const atStart: typeof now = { epoch, samples: 0, figures: figures.map(() => ({ loss: 0, accuracy: 0 })) };
    const last = this.before as typeof now | null;
    const before = last?.epoch === epoch ? last : atStart;
    for (const [r, { loss, accuracy }] of figures.entries()) {
      const then = before.figures[r]!;
      this.add('loss', r, meanSince(samples, loss, before.samples, then.loss));
      this.add('accuracy', r, meanSince(samples, accuracy, before.samples, then.accuracy));
    }
    this.before = now;
  }
}

/** Records the accuracy on a whole data set. */
export class AccuracyCurve extends Recorder<'accuracy'> {
  constructor(
    everySteps: number,
    private readonly data: TrainingData,
    private readonly batchSize: number,
  ) {
    super(everySteps, ['accuracy']);
  }

  protected async record(): Promise<void> {
    const figures = await this.model!.evaluateReplicas(this.data, { batchSize: this.batchSize });
    for (const [r, { accuracy = Number.NaN }] of figures.entries()) this.add('accuracy', r, accuracy);
  }
}

/** Records the change of the first layer's kernel since the last recording: its norm divided by the learning rate. */
export class FirstLayerChanges extends Recorder<'change'> {
  constructor(
    everySteps: number,
    private readonly rate: number,
  ) {
    super(everySteps, ['change']);
  }

  protected async record(): Promise<void> {
    const { replicas, weights } = this.model!;
    const now = (await weights[0]!.tensor.data()) as Float32Array;
    const before = this.before?.weights as Float32Array | undefined;
    this.before = { weights: now };
    const size = now.length / replicas;
    for (let r = 0; r < replicas && before; r++) {
      const kernelOf = (values: Float32Array) => values.subarray(r * size, (r + 1) * size);
      this.add('change', r, distance(kernelOf(before), kernelOf(now)) / this.rate);
    }
  }
}

/** Returns the mean over the samples after the first `before`, from the means of all `samples` and of the first `before`. */
export const meanSince = (samples: number, mean: number, before: number, meanBefore: number): number =>
  (samples * mean - before * meanBefore) / (samples - before);

/** Returns the Frobenius norm of a difference. */
export const distance = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0));

/** A point of a curve in JSON, where null replaces numbers that are not finite. */
export type Point = number | null;

/** Returns the means over the models, point by point; null if a model has null there. */
export const meanOver = (curves: readonly (readonly Point[])[]): Point[] =>
  (curves[0] ?? []).map((_, i) => {
    const mean = curves.reduce((sum, curve) => sum + (curve[i] ?? Number.NaN), 0) / curves.length;
    return Number.isFinite(mean) ? mean : null;
  });
