import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { checkOptions, tryRead } from '../base/check.ts';
import { readSeeds, type Seeds } from '../base/random.ts';
import type { OptimizerStepValues } from '../kernels/optimizers/step-state.ts';
import { layerCalls } from '../nn/graph/layer-calls.ts';
import { checkNotTraining } from '../nn/weights/training-lock.ts';
import type { Step } from './batches/source-batches.ts';
import { StreamBatches } from './batches/stream-batches.ts';
import type { Arrays } from './batches/training-data.ts';
import { type ClassWeight, type Metrics, Objective } from './objective.ts';
import type { Trainable } from './trainable.ts';
import { advanceOptimizer, checkTrainable, createTrainingStep } from './training-step.ts';

/** Options of `Model.trainOnBatch`. */
export interface TrainOnBatchOptions {
  /** Factors by class for the loss; the factor of all other classes is 1. */
  classWeight?: ClassWeight;
  /** Seed of dropout, combined with the number of the step; a list has one for each replica. Default 0. */
  seed?: Seeds;
}

/** Recorded steps of one kind, and the totals that their batches are added to. */
interface RecordedSteps {
  /** Settings that the steps were recorded with, as JSON. */
  key: string;
  objective: Objective;
  batches: StreamBatches;
}

/** `trainOnBatch` and `testOnBatch`: a step is recorded once for each batch size, and again if its settings change. */
export class SingleBatchSteps {
  private readonly recorded = new Map<'train' | 'test', RecordedSteps>();
  /** Ends when the last batch that waits for kernels may run; null if none waits. */
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
    const makeStep = (objective: Objective, batches: () => StreamBatches) =>
      createTrainingStep(model, objective, seed, () => batches().state);
    const recorded = this.recordedStep('train', { seed, classWeight }, makeStep);
    return this.run(recorded, batch, () => {
      checkNotTraining('trainOnBatch', model); // `fit` may have begun while this batch waited
      return advanceOptimizer(model);
    });
  }

  /** See `Model.testOnBatch`. */
  async test(batch: Arrays): Promise<Metrics> {
    const { model } = this;
    const makeStep =
      (objective: Objective): Step =>
      ({ x, targets }) =>
        scope(model.device, () =>
          noGrad(() => {
            const result = objective.apply(x, targets!);
            objective.count(result, model.parameters.penalties?.addTo(result.loss) ?? result.loss);
          }),
        );
    return this.run(this.recordedStep('test', {}, makeStep), batch);
  }

  /**
   * Submits a batch after those before it. The first batch of a size waits until its kernels are compiled, because a step with a kernel
   * missing would spoil the weights. Later batches wait for it.
   * @throws ShaderError, OutOfMemoryError
   */
  private async run(
    { objective, batches }: RecordedSteps,
    batch: Arrays,
    values?: () => OptimizerStepValues,
  ): Promise<Metrics> {
    const { isFirst, submit } = batches.prepareBatch(batch, this.turn !== null);
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

  /** The steps of this kind, recorded again if `settings` or the layers that are frozen or recomputed changed. */
  private recordedStep(
    kind: 'train' | 'test',
    settings: { seed?: Seeds; classWeight?: ClassWeight | undefined },
    makeStep: (objective: Objective, batches: () => StreamBatches) => Step,
  ): RecordedSteps {
    const { model, turn } = this;
    const subject = `${kind}OnBatch`;
    const recomputed = layerCalls(model.graph).map(({ layer }) => layer.recompute);
    const key = tryRead(subject, () => JSON.stringify([settings, model.parameters.frozenKey, recomputed]));
    let steps = this.recorded.get(kind);
    if (steps?.key !== key) {
      const outdated = steps;
      const end = () => outdated && disposeSteps(outdated);
      if (turn)
        turn.then(end, end); // batches that wait still use them
      else end();
      this.recorded.delete(kind);
      const objective = new Objective(subject, model, { encoding: null, classWeight: settings.classWeight });
      const batches: StreamBatches = new StreamBatches(
        subject,
        model,
        () => [],
        (caller, encoding) => objective.setTargetEncoding(caller, encoding),
        makeStep(objective, () => batches),
        { option: 'steps', batches: 0 },
      );
      steps = { key, objective, batches };
      this.recorded.set(kind, steps);
    }
    return steps;
  }

  dispose(): void {
    for (const steps of this.recorded.values()) disposeSteps(steps);
    this.recorded.clear();
  }
}

function disposeSteps({ objective, batches }: RecordedSteps): void {
  batches.dispose();
  objective.dispose();
}
