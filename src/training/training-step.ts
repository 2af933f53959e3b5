import { backward } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Seeds } from '../base/random.ts';
import type { Program } from '../gpu/recorder.ts';
import type { StepState } from '../kernels/optimizers/step-state.ts';
import { checkNotTraining } from '../nn/weights/training-lock.ts';
import type { BatchSource } from './batches/batch-source.ts';
import { PreparedData } from './batches/prepared-data.ts';
import { SourceBatches, type Step, type StepValues } from './batches/source-batches.ts';
import { Objective } from './objective.ts';
import type { Trainable } from './trainable.ts';

/**
 * @throws ArgumentError where no layer is left that training would change. Weights that no gradient changes count: a batch
 *   normalisation without scale and offset trains its averages
 */
export function checkTrainable(subject: string, model: Trainable): void {
  const { weights } = model;
  if (weights.some(({ spec }) => spec.layer?.trainable ?? true)) return;
  throw new ArgumentError(
    weights.length === 0
      ? `${subject}: ${model.title} has no weights, so there is nothing to train; evaluate and predict need no training`
      : `${subject}: all layers of ${model.title} that have weights are frozen, so there is nothing to train; set trainable = true on ` +
          'those that training is to change, such as the head (a slice of layers may hold none with weights)',
  );
}

/** What dispatches one training step: loss, gradients and the update of the weights; the batch joins the objective's totals. */
export function createTrainingStep(model: Trainable, objective: Objective, seed: Seeds, state: () => StepState): Step {
  const { parameters } = model;
  const { optimizer } = model.training;
  return ({ x, targets }) =>
    scope(model.device, () => {
      parameters.zeroGrad();
      const result = objective.apply(x, targets!, { training: true, seed, step: state() });
      const total = parameters.penalties?.addTo(result.loss) ?? result.loss;
      objective.count(result, total); // before the backward pass, which releases the output
      if (parameters.trainableRanges.length === 0) return; // averages alone move, see `checkTrainable`
      backward(result.loss, undefined, { releaseAll: true });
      parameters.collectGrads();
      optimizer.apply(parameters, state());
      parameters.zeroGrad(); // a loop of one's own that follows begins without them
    });
}

/** What the uniform of the model's step number `step` holds. */
function valuesOf(model: Trainable, step: number): StepValues {
  const { optimizer } = model.training;
  return { step, rates: optimizer.ratesAt(step) };
}

/** The next step of the model's optimiser, which is about to be taken. */
export function advanceOptimizer(model: Trainable): StepValues {
  model.parameters.hasInitialValues = false;
  model.parameters.zeroGrad(); // the step writes its own in their place
  return valuesOf(model, ++model.training.optimizer.iterations);
}

/** A training step of a compiled model, recorded as `fit` does it, on the first batch of `data`. */
export interface RecordedStep {
  program: Program;
  batchSize: number;
  /** What the runs are counted in. */
  objective: Objective;
  /** Writes the step's uniform and submits the program. Who runs it puts back what it writes: see `preserving`. */
  run(): void;
  dispose(): void;
}

/**
 * Records a training step without running it; for profiles and for the tuner.
 * @throws ArgumentError, ShapeError as `fit` does
 */
export function recordTrainingStep(
  subject: string,
  model: Trainable,
  data: BatchSource,
  options: { batchSize?: number } = {},
): RecordedStep {
  checkNotTraining(subject, model);
  const prepared = PreparedData.of(subject, model, data);
  const { source } = prepared;
  if (!source) {
    throw new ArgumentError(
      `${subject}: takes samples that are all there, as a loader or { x, y }, but was given a stream`,
    );
  }
  const batchSize = prepared.batchSize(options.batchSize)!;
  const { optimizer } = model.training;
  optimizer.build(model.parameters);
  const objective = new Objective(subject, model, { encoding: prepared.encoding });
  const step = createTrainingStep(model, objective, 0, () => runner.state);
  const runner: SourceBatches = new SourceBatches(source, batchSize, step, model.replicas);
  const values = valuesOf(model, optimizer.iterations + 1);
  return {
    program: runner.program(batchSize),
    batchSize,
    objective,
    run() {
      runner.run(0, values);
      model.device.flush();
    },
    dispose() {
      runner.dispose();
      objective.dispose();
      prepared.dispose();
    },
  };
}
