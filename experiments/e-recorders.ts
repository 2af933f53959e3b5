import type { Callback, CallbackState, Model, StepLogs, TrainInfo, TrainingData } from '../src/index.ts';

// What the coursework keeps while it trains: callbacks that record something of each model every so many steps.

/** A callback with curves: `curves[name][model]`, recorded at `steps`, which count through all epochs. */
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

  /** What the next recording needs of this one. */
  protected before: CallbackState | null = null;

  state(): CallbackState {
    const { steps, curves, before } = this;
    return structuredClone({ steps, curves, before });
  }

  /** A training that was interrupted goes on with what was recorded until then. */
  restore({ steps, curves, before }: CallbackState): void {
    Object.assign(this, { steps, curves, before });
  }
}

/** The training loss and accuracy of the steps since the recording before. */
export class TrainingCurves extends Recorder<'loss' | 'accuracy'> {
  constructor(everySteps: number) {
    super(everySteps, ['loss', 'accuracy']);
  }

  protected record({ epoch, samples, replicas }: StepLogs): void {
    const figures = replicas.map(({ loss, accuracy = Number.NaN }) => ({ loss, accuracy }));
    const now = { epoch, samples, figures };
    const begin: typeof now = { epoch, samples: 0, figures: figures.map(() => ({ loss: 0, accuracy: 0 })) };
    const last = this.before as typeof now | null;
    const before = last?.epoch === epoch ? last : begin;
    for (const [r, { loss, accuracy }] of figures.entries()) {
      const then = before.figures[r]!;
      this.add('loss', r, meanSince(samples, loss, before.samples, then.loss));
      this.add('accuracy', r, meanSince(samples, accuracy, before.samples, then.accuracy));
    }
    this.before = now;
  }
}

/** The accuracy on all of some data. */
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

/** How far the first layer's kernel went since the recording before: the norm of the change over the rate. */
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
      const part = (values: Float32Array) => values.subarray(r * size, (r + 1) * size);
      this.add('change', r, distance(part(before), part(now)) / this.rate);
    }
  }
}

/** The mean over the samples from `before` on: `mean` is that of all `samples`, `meanBefore` that of those before. */
export const meanSince = (samples: number, mean: number, before: number, meanBefore: number): number =>
  (samples * mean - before * meanBefore) / (samples - before);

/** The Frobenius norm of a difference. */
export const distance = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0));

/** A point of a curve as JSON has it: null is what was not finite. */
export type Point = number | null;

/** Means over the models, point by point; null where one of them has no figure. */
export const meanOver = (curves: readonly (readonly Point[])[]): Point[] =>
  (curves[0] ?? []).map((_, i) => {
    const mean = curves.reduce((sum, curve) => sum + (curve[i] ?? Number.NaN), 0) / curves.length;
    return Number.isFinite(mean) ? mean : null;
  });
