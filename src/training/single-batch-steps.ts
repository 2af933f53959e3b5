import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { checkOptions, tryRead } from '../base/check.ts';
import { readSeeds, type Seeds } from '../base/random.ts';
import { checkNotTraining } from '../nn/weights/training-lock.ts';
import type { Step, StepValues } from './batches/source-batches.ts';
import { StreamBatches } from './batches/stream-batches.ts';
import type { Arrays } from './batches/training-data.ts';
import { type ClassWeight, type Metrics, Objective } from './objective.ts';
import type { Trainable } from './trainable.ts';
import { advanceOptimizer, checkTrainable, createTrainingStep } from './training-step.ts';

/** Options of `Model.trainOnBatch`. */
export interface TrainOnBatchOptions {
  /** Factors by class for the loss; classes that are not named have 1. */
  classWeight?: ClassWeight;
  /** What dropout draws by, with the number of the step; a list has one for each replica. Default 0. */
  seed?: Seeds;
}

/** Recorded steps, and what their batches add up. */
interface RecordedSteps {
  key: string;
  objective: Objective;
  runner: StreamBatches;
}

/** Single batches handed over by the user: recorded once for each batch size, until something of the recording changes. */
export class SingleBatchSteps {
  private readonly recorded = new Map<'train' | 'test', RecordedSteps>();
  /** Of the last batch that waits for kernels; null where none does. */
  private turn: Promise<void> | null = null;

  constructor(private readonly model: Trainable) {}

  /** See `Model.trainOnBatch`. */
  async train(batch: Arrays, options: TrainOnBatchOptions): Promise<Metrics> {
    checkOptions('trainOnBatch', options, { classWeight: true, seed: true });
    const { model } = this;
    const { classWeight } = options;
    const seed = readSeeds('trainOnBatch', options.seed ?? 0, model.replicas);
    checkTrainable('trainOnBatch', model);
    model.training.optimizer.build(model.parameters);
    const make = (objective: Objective, runner: () => StreamBatches) =>
      createTrainingStep(model, objective, seed, () => runner().state);
    const held = this.recordedStep('train', { seed, classWeight }, make);
    return this.run(held, batch, () => {
      checkNotTraining('trainOnBatch', model); // `fit` may have begun while it waited
      return advanceOptimizer(model);
    });
  }

  /** See `Model.testOnBatch`. */
  async test(batch: Arrays): Promise<Metrics> {
    const { model } = this;
    const make =
      (objective: Objective): Step =>
      ({ x, targets }) =>
        scope(model.device, () =>
          noGrad(() => {
            const result = objective.apply(x, targets!);
            objective.count(result, model.parameters.penalties?.addTo(result.loss) ?? result.loss);
          }),
        );
    return this.run(this.recordedStep('test', {}, make), batch);
  }

  /**
   * Submits a batch in its turn. The first of a size waits until the adapter has taken its kernels, since a step of which it refused some
   * would spoil the weights, and those that are handed over meanwhile wait for it.
   * @throws ShaderError, OutOfMemoryError
   */
  private async run({ objective, runner }: RecordedSteps, batch: Arrays, values?: () => StepValues): Promise<Metrics> {
    const { isFirst, submit } = runner.prepareBatch(batch, this.turn !== null);
    if (isFirst || this.turn) await this.inTurn(isFirst);
    objective.totals.reset();
    submit(values);
    return (await objective.read()).metrics;
  }

  private inTurn(isFirst: boolean): Promise<void> {
    const ready = () => (isFirst ? this.model.device.ready() : undefined);
    const turn = (this.turn ?? Promise.resolve()).then(ready, ready);
    const end = () => {
      if (this.turn === turn) this.turn = null;
    };
    this.turn = turn;
    turn.then(end, end);
    return turn;
  }

  /** The recorded steps of that kind. */
  private recordedStep(
    kind: 'train' | 'test',
    settings: { seed?: Seeds; classWeight?: ClassWeight | undefined },
    make: (objective: Objective, runner: () => StreamBatches) => Step,
  ): RecordedSteps {
    const { model, turn } = this;
    const subject = `${kind}OnBatch`;
    // A layer frozen since is no longer part of the step.
    const key = tryRead(subject, () => JSON.stringify([settings, model.parameters.frozenKey]));
    let held = this.recorded.get(kind);
    if (held?.key !== key) {
      const old = held;
      const end = () => old && release(old);
      if (turn)
        turn.then(end, end); // after what waits to use them
      else end();
      this.recorded.delete(kind);
      const objective = new Objective(subject, model, { encoding: null, classWeight: settings.classWeight });
      const runner: StreamBatches = new StreamBatches(
        subject,
        model,
        () => [],
        (asked, encoding) => objective.setTargetEncoding(asked, encoding),
        make(objective, () => runner),
        { name: 'steps', count: 0 },
      );
      held = { key, objective, runner };
      this.recorded.set(kind, held);
    }
    return held;
  }

  dispose(): void {
    for (const held of this.recorded.values()) release(held);
    this.recorded.clear();
  }
}

function release({ objective, runner }: RecordedSteps): void {
  runner.dispose();
  objective.dispose();
}
