import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { AbortedError } from '../errors.ts';
import type { BatchSource } from './batch-source.ts';
import { BatchRunner, checkClasses, checkData } from './batches.ts';
import type { Model } from './model.ts';
import { Throttle } from './throttle.ts';
import { type Metrics, RunningTotals } from './totals.ts';

export type { Metrics } from './totals.ts';

/** Measures a model on one data set, as often as asked, without recording its program anew. */
export class Evaluator {
  private readonly totals: RunningTotals;
  private readonly runner: BatchRunner;
  private readonly throttle: Throttle;

  constructor(model: Model, data: BatchSource, batchSize: number) {
    model.training; // throws before `compile`
    this.totals = new RunningTotals(data.device);
    this.throttle = new Throttle(data.device);
    this.runner = new BatchRunner(data, batchSize, ({ x, labels }) =>
      scope(data.device, () =>
        noGrad(() => {
          const result = model.callLoss(x, labels);
          this.totals.add(model.parameters.penalties?.addTo(result.loss) ?? result.loss, result.hits);
        }),
      ),
    );
  }

  /** @throws AbortedError */
  async run(signal?: AbortSignal): Promise<Metrics> {
    this.totals.reset();
    for (let i = 0; i < this.runner.stepsPerEpoch; i++) {
      if (signal?.aborted) throw new AbortedError('evaluate: stopped on request');
      this.runner.run(i);
      await this.throttle.afterStep();
    }
    const { loss, accuracy } = await this.totals.read();
    return { loss, accuracy };
  }

  dispose(): void {
    this.runner.dispose();
    this.totals.dispose();
  }
}

/** See `Model.evaluate`. */
export async function evaluate(
  model: Model,
  data: BatchSource,
  options: { batchSize?: number; signal?: AbortSignal },
): Promise<Metrics> {
  const batchSize = checkData('evaluate', model, data, options);
  checkClasses('evaluate', model, data);
  const evaluator = new Evaluator(model, data, batchSize);
  try {
    return await evaluator.run(options.signal);
  } finally {
    evaluator.dispose();
  }
}
