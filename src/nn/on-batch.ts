import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { checkOptions, readable } from '../check.ts';
import { readSeeds, type Seeds } from '../random.ts';
import type { Step } from './batches.ts';
import type { Model } from './model.ts';
import { type ClassWeight, type Metrics, Objective } from './objective.ts';
import { StreamRunner } from './stream-runner.ts';
import type { Arrays } from './training-data.ts';
import { checkTrainable, nextStep, trainingStep } from './training-step.ts';

export interface TrainOnBatchOptions {
  /** Factors by class for the loss; classes that are not named have 1. */
  classWeight?: ClassWeight;
  /** What dropout draws by, with the number of the step; a list has one for each replica. Default 0. */
  seed?: Seeds;
}

/** Single batches handed over by the user: recorded once for each batch size, until something of the recording changes. */
export class OnBatch {
  private readonly held = new Map<'train' | 'test', { key: string; objective: Objective; runner: StreamRunner }>();

  constructor(private readonly model: Model) {}

  /** See `Model.trainOnBatch`. */
  async train(batch: Arrays, options: TrainOnBatchOptions): Promise<Metrics> {
    checkOptions('trainOnBatch', options, { classWeight: true, seed: true });
    const { model } = this;
    const { classWeight } = options;
    const seed = readSeeds('trainOnBatch', options.seed ?? 0, model.replicas);
    checkTrainable('trainOnBatch', model);
    model.training.optimizer.build(model.parameters);
    const make = (objective: Objective, runner: () => StreamRunner) =>
      trainingStep(model, objective, seed, () => runner().state);
    const { objective, runner } = this.of('train', { seed, classWeight }, make);
    runner.run(batch, () => nextStep(model));
    return (await objective.read()).figures;
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
    const { objective, runner } = this.of('test', {}, make);
    runner.run(batch);
    return (await objective.read()).figures;
  }

  /** The recorded steps of that kind, with empty totals. */
  private of(
    kind: 'train' | 'test',
    settings: { seed?: Seeds; classWeight?: ClassWeight | undefined },
    make: (objective: Objective, runner: () => StreamRunner) => Step,
  ) {
    const { model } = this;
    const what = `${kind}OnBatch`;
    // A layer frozen since is no longer part of the step.
    const key = readable(what, () => JSON.stringify([settings, model.parameters.frozen]));
    let held = this.held.get(kind);
    if (held?.key !== key) {
      held?.runner.dispose();
      held?.objective.dispose();
      this.held.delete(kind);
      const objective = new Objective(what, model, { form: null, classWeight: settings.classWeight });
      const runner: StreamRunner = new StreamRunner(
        what,
        model,
        () => [],
        (asked, form) => objective.settle(asked, form),
        make(objective, () => runner),
        { name: 'steps', count: 0 },
      );
      held = { key, objective, runner };
      this.held.set(kind, held);
    }
    held.objective.totals.reset();
    return held;
  }

  dispose(): void {
    for (const { objective, runner } of this.held.values()) {
      runner.dispose();
      objective.dispose();
    }
    this.held.clear();
  }
}
