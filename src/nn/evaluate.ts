import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { checkOptions, checkSignal, type OptionNames } from '../check.ts';
import { AbortedError, ArgumentError } from '../errors.ts';
import { checkReplica, type Feed } from './batches.ts';
import type { ConfusionMatrix } from './confusion-matrix.ts';
import type { Model } from './model.ts';
import { type Metrics, meanOf, Objective } from './objective.ts';
import { Throttle } from './throttle.ts';
import { isSource, PreparedData, type TrainingData } from './training-data.ts';

export type { Metrics } from './objective.ts';

export interface EvaluateOptions {
  /** Default 32. */
  batchSize?: number;
  signal?: AbortSignal;
}
const names: OptionNames<EvaluateOptions> = { batchSize: true, signal: true };

/** Measures a model on one data set, as often as asked, without recording its program anew. */
export class Evaluator {
  readonly objective: Objective;
  private readonly feed: Feed;
  private readonly throttle: Throttle;

  constructor(
    private readonly what: string,
    model: Model,
    data: PreparedData,
    options: { batchSize: number | null; confusion?: boolean },
  ) {
    this.objective = new Objective(what, model, { form: data.form, confusion: options.confusion ?? false });
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
  async confusion(replica: number, signal?: AbortSignal): Promise<ConfusionMatrix> {
    await this.pass(signal);
    return this.objective.confusion(replica);
  }

  private async pass(signal?: AbortSignal): Promise<void> {
    checkSignal(this.what, signal);
    this.objective.totals.reset();
    for await (const submit of this.feed.pass(signal)) {
      if (signal?.aborted) throw new AbortedError(`${this.what}: stopped on request`);
      submit();
      await this.throttle.afterStep();
    }
    await this.throttle.afterPass();
  }

  dispose(): void {
    this.feed.dispose();
    this.objective.dispose();
  }
}

async function measure<T>(
  what: string,
  model: Model,
  data: TrainingData,
  options: EvaluateOptions & { confusion?: boolean },
  run: (evaluator: Evaluator) => Promise<T>,
): Promise<T> {
  const { parameters, training, kept } = model; // throws before `build` and `compile`
  const prepared = PreparedData.of(what, model, data);
  let evaluator: Evaluator | null = null;
  try {
    const batchSize = prepared.batchSize(options.batchSize);
    const { confusion = false } = options;
    // Frozen weights have no penalty; arrays and streams are new data each time.
    const key = [what, prepared.source, batchSize, confusion, parameters, training, parameters.frozen];
    evaluator = kept.take(key, () => new Evaluator(what, model, prepared, { batchSize, confusion }));
    const result = await run(evaluator);
    if (isSource(data) && !parameters.values.disposed && training === model.training) {
      kept.giveBack(key, evaluator);
      evaluator = null;
    }
    return result;
  } finally {
    evaluator?.dispose();
    prepared.dispose();
  }
}

/** See `Model.evaluateReplicas`. */
export async function evaluateReplicas(model: Model, data: TrainingData, options: EvaluateOptions): Promise<Metrics[]> {
  checkOptions('evaluate', options, names);
  return measure('evaluate', model, data, options, (evaluator) => evaluator.run(options.signal));
}

/** See `Model.evaluate`. */
export async function evaluate(model: Model, data: TrainingData, options: EvaluateOptions): Promise<Metrics> {
  return meanOf(await evaluateReplicas(model, data, options));
}

/**
 * How often samples of each class are taken for each class, counted on the GPU. A model of one unit has two classes, divided at
 * a half. Samples whose output is NaN are not counted.
 * @throws ArgumentError, ShapeError, DataError, AbortedError
 */
export async function confusionMatrix(
  model: Model,
  data: TrainingData,
  options: EvaluateOptions & {
    /** Which of several, from 0. */
    replica?: number;
  } = {},
): Promise<ConfusionMatrix> {
  checkOptions('confusionMatrix', options, { ...names, replica: true });
  const replica = checkReplica('confusionMatrix', model, options.replica);
  if (model.outputShape.length !== 1) {
    throw new ArgumentError(
      `confusionMatrix: needs a model that ends in [classes] or [1], but it ends in [${model.outputShape.join(',')}]`,
    );
  }
  const measured = { ...options, confusion: true };
  return measure('confusionMatrix', model, data, measured, (evaluator) => evaluator.confusion(replica, options.signal));
}
