import { backward } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Seeds } from '../base/random.ts';
import type { Program } from '../gpu/recorder.ts';
import type { OptimizerStepValues, StepState } from '../kernels/optimizers/step-state.ts';
import { checkNotTraining } from '../nn/weights/training-lock.ts';
import type { BatchSource } from './batches/batch-source.ts';
import { PreparedData } from './batches/prepared-data.ts';
import { SourceBatches, type Step } from './batches/source-batches.ts';
import { Objective } from './objective.ts';
import type { Trainable } from './trainable.ts';

/**
 * @throws ArgumentError if no layer with weights is trainable. Weights without a gradient count: a batch normalization without scale and
 *   offset trains its averages
 */
export function checkTrainable(subject: string, model: Trainable): void {
  const { weights } = model;
  if (weights.some(({ spec }) => spec.layer?.trainable ?? true)) return;
  throw new ArgumentError(
    weights.length === 0
      ? `${subject}: ${model.title} has no weights, so there is nothing to train; evaluate and predict need no training`
      : `${subject}: all layers of ${model.title} that have weights are frozen, so there is nothing to train; set trainable = true on ` +
          'the layers to train, such as the head (a slice of layers may contain only layers without weights)',
  );
}

/** A training step: loss, gradients, update of the weights, and addition of the batch to the totals of `objective`. */
export function createTrainingStep(model: Trainable, objective: Objective, seed: Seeds, state: () => StepState): Step {
  const { parameters } = model;
  const { optimizer } = model.training;
  return ({ x, targets }) =>
    scope(model.device, () => {
      parameters.zeroGrad();
      const result = objective.apply(x, targets!, { training: true, seed, step: state() });
      const total = parameters.penalties?.addTo(result.loss) ?? result.loss;
      objective.count(result, total); // before the backward pass, which releases the output
      if (parameters.trainableRanges.length === 0) return; // only averages change, see `checkTrainable`
      backward(result.loss, undefined, { releaseAll: true });
      parameters.collectGrads();
      optimizer.apply(parameters, state());
      parameters.zeroGrad(); // a custom training loop that follows must begin without gradients
    });
}

/** Counts the next step of the optimizer, which must run after this call. @returns the values of its uniform */
export function advanceOptimizer(model: Trainable): OptimizerStepValues {
  model.parameters.hasInitialValues = false;
  model.parameters.zeroGrad(); // the recorded step overwrites them
  const { optimizer } = model.training;
  return optimizer.valuesAt(++optimizer.iterations);
}

/** A training step of a compiled model, recorded as in `fit`, on the first batch of the data. */
export interface RecordedStep {
  program: Program;
  batchSize: number;
  /** Receives the totals of the runs. */
  objective: Objective;
  /** Writes the step's uniform and submits the program. It changes the weights; to restore them, see `preserving`. */
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
    throw new ArgumentError(`${subject}: takes samples as a loader or { x, y }, but was given a stream`);
  }
  const batchSize = prepared.batchSize(options.batchSize)!;
  const { optimizer } = model.training;
  optimizer.build(model.parameters);
  const objective = new Objective(subject, model, { encoding: prepared.encoding });
  const step = createTrainingStep(model, objective, 0, () => batches.state);
  const batches: SourceBatches = new SourceBatches(source, batchSize, step, model.replicas);
  const values = optimizer.valuesAt(optimizer.iterations + 1);
  return {
    program: batches.program(batchSize),
    batchSize,
    objective,
    run() {
      batches.run(0, values);
      model.device.flush();
    },
    dispose() {
      batches.dispose();
      objective.dispose();
      prepared.dispose();
    },
  };
}
