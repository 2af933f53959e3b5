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
  /** Batches to take from a stream. Default: all, so that a stream without an end needs it. */
  steps?: number;
  /** Ends the call with AbortedError. */
  signal?: AbortSignal;
}
const names: OptionNames<EvaluateOptions> = { batchSize: true, steps: true, signal: true };

/** Measures a model on one data set, as often as asked, without recording its program anew. */
export class Evaluator {
  readonly objective: Objective;
  private readonly feed: Batches;
  private readonly throttle: Throttle;

  constructor(
    private readonly subject: string,
    model: Trainable,
    data: PreparedData,
    options: { batchSize: number | null; bound: PassLimit; confusion?: boolean },
  ) {
    const { encoding, unchecked, from } = data;
    this.objective = new Objective(subject, model, {
      encoding,
      unchecked,
      from,
      confusion: options.confusion ?? false,
    });
    this.throttle = new Throttle(model.device);
    const { objective } = this;
    this.feed = data.feed(
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

  /** The figures of each replica. @throws AbortedError */
  async run(signal?: AbortSignal): Promise<Metrics[]> {
    await this.pass(signal);
    return (await this.objective.read()).replicas;
  }

  /** @throws AbortedError */
  async confusion(replica: number, label?: number, signal?: AbortSignal): Promise<ConfusionMatrix> {
    this.objective.checkLabel(this.subject, label);
    await this.pass(signal);
    this.objective.checkLabel(this.subject, label); // of a stream, what its targets are is known now
    return this.objective.confusion(replica, label);
  }

  private async pass(signal?: AbortSignal): Promise<void> {
    checkSignal(this.subject, signal);
    this.objective.totals.reset();
    for await (const submit of this.feed.pass(signal)) {
      if (signal?.aborted) throw new AbortedError(`${this.subject}: stopped on request`);
      submit();
      await this.throttle.afterStep();
    }
    await this.throttle.afterPass();
  }

  /** Before the first pass: so many were made before. */
  skip(passes: number): void {
    this.feed.skip(passes, 0);
  }

  /** Closes a stream that passes left open. @throws what its `finally` throws */
  async close(signal?: AbortSignal): Promise<void> {
    await this.feed.close?.(signal);
  }

  dispose(): void {
    this.feed.dispose();
    this.objective.dispose();
  }
}

async function measure<T>(
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
    // Frozen weights have no penalty; arrays and streams are new data each time.
    const key = [subject, prepared.source, batchSize, confusion, parameters, training, parameters.frozenKey];
    const bound: PassLimit = { name: 'steps', count: steps, once: true };
    evaluator = programs.acquire(key, () => new Evaluator(subject, model, prepared, { batchSize, confusion, bound }));
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
  checkOptions('evaluate', options, names);
  return measure('evaluate', model, data, options, (evaluator) => evaluator.run(options.signal));
}

/** See `Model.evaluate`. */
export async function evaluate(model: Trainable, data: TrainingData, options: EvaluateOptions): Promise<Metrics> {
  return meanMetrics(await evaluateReplicas(model, data, options));
}

/**
 * How often samples of each class are taken for each class, counted on the GPU. A model of one unit has two classes, divided at
 * a half. Independent labels (rows of 0 and 1 as targets, for several sigmoids) have a matrix each, of 0 and 1: see `label`. Outputs of NaN
 * are not counted.
 * @throws ArgumentError, ShapeError, DataError, AbortedError
 */
export async function confusionMatrix(
  model: Trainable,
  data: TrainingData,
  options: EvaluateOptions & {
    /** Which of several, from 0. */
    replica?: number;
    /** Where targets are rows of independent labels: which of them, from 0. */
    label?: number;
  } = {},
): Promise<ConfusionMatrix> {
  checkModel('confusionMatrix', model, 'confusionMatrix(model, { x, y })');
  checkCombinedData('confusionMatrix', data);
  checkOptions('confusionMatrix', options, { ...names, replica: true, label: true });
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
  return measure('confusionMatrix', model, data, measured, (evaluator) =>
    evaluator.confusion(replica, label, options.signal),
  );
}
