import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { checkOptions, checkSignal, type OptionNames } from '../base/check.ts';
import { AbortedError, ArgumentError } from '../base/errors.ts';
import { PreparedData } from './batches/prepared-data.ts';
import { type Batches, checkModel, checkReplica, checkSteps, type PassLimit } from './batches/source-batches.ts';
import { hasIndependentLabels } from './batches/targets.ts';
import { checkCombinedData, isSource, type TrainingData } from './batches/training-data.ts';
import type { ConfusionMatrix } from './metrics/confusion-matrix.ts';
import { type Metrics, meanMetrics, Objective } from './objective.ts';
import { Throttle } from './throttle.ts';
import type { Trainable } from './trainable.ts';

export type { Metrics } from './objective.ts';

/** Options of `Model.evaluate`. */
export interface EvaluateOptions {
  /** Samples of a batch. Default 32. */
  batchSize?: number;
  /** Batches to take from a stream. Default: all. A stream without an end needs it. */
  steps?: number;
  /** Ends the call with AbortedError. */
  signal?: AbortSignal;
}
const optionNames: OptionNames<EvaluateOptions> = { batchSize: true, steps: true, signal: true };

/** Evaluates a model on one data set, any number of times, with programs recorded once. */
export class Evaluator {
  readonly objective: Objective;
  private readonly batches: Batches;
  private readonly throttle: Throttle;

  constructor(
    private readonly subject: string,
    model: Trainable,
    data: PreparedData,
    options: { batchSize: number | null; limit: PassLimit; confusion?: boolean },
  ) {
    const { encoding, unchecked, startValue } = data;
    this.objective = new Objective(subject, model, {
      encoding,
      unchecked,
      startValue,
      confusion: options.confusion ?? false,
    });
    this.throttle = new Throttle(model.device);
    const { objective } = this;
    this.batches = data.createBatches(
      objective,
      ({ x, targets }) =>
        scope(model.device, () =>
          noGrad(() => {
            const result = objective.apply(x, targets!);
            objective.count(result, model.parameters.penalties?.addTo(result.loss) ?? result.loss);
          }),
        ),
      options,
    );
  }

  /** Loss and metrics of each replica. @throws AbortedError */
  async run(signal?: AbortSignal): Promise<Metrics[]> {
    await this.pass(signal);
    return (await this.objective.read()).replicas;
  }

  /** @throws AbortedError */
  async confusion(replica: number, label?: number, signal?: AbortSignal): Promise<ConfusionMatrix> {
    this.objective.checkLabel(this.subject, label);
    await this.pass(signal);
    this.objective.checkLabel(this.subject, label); // the encoding of a stream's targets is known only now
    return this.objective.confusion(replica, label);
  }

  private async pass(signal?: AbortSignal): Promise<void> {
    checkSignal(this.subject, signal);
    this.objective.totals.reset();
    for await (const submit of this.batches.pass(signal)) {
      if (signal?.aborted) throw new AbortedError(`${this.subject}: stopped on request`);
      submit();
      await this.throttle.afterStep();
    }
    await this.throttle.afterPass();
  }

  /** Call it before the first pass: skips passes that an interrupted training has run. */
  skip(passes: number): void {
    this.batches.skip(passes, 0);
  }

  /** Closes a stream that passes left open. @throws what its `finally` throws */
  async close(signal?: AbortSignal): Promise<void> {
    await this.batches.close?.(signal);
  }

  dispose(): void {
    this.batches.dispose();
    this.objective.dispose();
  }
}

/** Runs `run` with an evaluator of the data, from the model's cache if the data is a loader. */
async function withEvaluator<T>(
  subject: string,
  model: Trainable,
  data: TrainingData,
  options: EvaluateOptions & { confusion?: boolean },
  run: (evaluator: Evaluator) => Promise<T>,
): Promise<T> {
  const { parameters, training, programs } = model; // throws before `build` and `compile`
  const prepared = PreparedData.of(subject, model, data);
  let evaluator: Evaluator | null = null;
  try {
    const batchSize = prepared.batchSize(options.batchSize);
    const { confusion = false, steps } = options;
    checkSteps(subject, 'steps', steps, !prepared.source);
    // `frozenKey`: frozen weights have no penalty. Arrays and streams are new data each time, so they are not cached.
    const key = [subject, prepared.source, batchSize, confusion, parameters, training, parameters.frozenKey];
    const limit: PassLimit = { option: 'steps', batches: steps, isSinglePass: true };
    evaluator = programs.acquire(key, () => new Evaluator(subject, model, prepared, { batchSize, confusion, limit }));
    const result = await run(evaluator);
    if (isSource(data) && !parameters.values.disposed && training === model.training) {
      programs.release(key, evaluator);
      evaluator = null;
    }
    return result;
  } finally {
    evaluator?.dispose();
    prepared.dispose();
  }
}

/** See `Model.evaluateReplicas`. */
export async function evaluateReplicas(
  model: Trainable,
  data: TrainingData,
  options: EvaluateOptions,
): Promise<Metrics[]> {
  checkCombinedData('evaluate', data);
  checkOptions('evaluate', options, optionNames);
  return withEvaluator('evaluate', model, data, options, (evaluator) => evaluator.run(options.signal));
}

/** See `Model.evaluate`. */
export async function evaluate(model: Trainable, data: TrainingData, options: EvaluateOptions): Promise<Metrics> {
  return meanMetrics(await evaluateReplicas(model, data, options));
}

/**
 * Counts of samples by true and predicted class, [classes, classes], counted on the GPU. A model with one unit has two classes: class 1
 * is predicted if the output is above 0.5. Independent labels (rows of 0 and 1 as targets, for several sigmoids) have a 2 x 2 matrix each:
 * see `label`. Outputs of NaN are not counted.
 * @throws ArgumentError, ShapeError, DataError, AbortedError
 */
export async function confusionMatrix(
  model: Trainable,
  data: TrainingData,
  options: EvaluateOptions & {
    /** Index of the replica. Required if the model has several. */
    replica?: number;
    /** Index of the label. Required if targets are rows of independent labels. */
    label?: number;
  } = {},
): Promise<ConfusionMatrix> {
  checkModel('confusionMatrix', model, 'confusionMatrix(model, { x, y })');
  checkCombinedData('confusionMatrix', data);
  checkOptions('confusionMatrix', options, { ...optionNames, replica: true, label: true });
  const replica = checkReplica('confusionMatrix', model, options.replica);
  const { finalActivation, outputShape, training } = model;
  if (
    outputShape.length !== 1 &&
    !hasIndependentLabels('values', { finalActivation, outputShape, loss: training.loss })
  ) {
    throw new ArgumentError(
      `confusionMatrix: needs a model that ends in [classes] or [1], but it ends in [${outputShape.join(',')}]`,
    );
  }
  const { label } = options;
  const measured = { ...options, confusion: true };
  return withEvaluator('confusionMatrix', model, data, measured, (evaluator) =>
    evaluator.confusion(replica, label, options.signal),
  );
}
