import type { Tensor } from '../autograd/tensor.ts';
import { scope } from '../autograd/tensor.ts';
import type { Program } from '../gpu/recorder.ts';
import type { StepState } from '../kernels/step-state.ts';
import type { BatchSource } from './batch-source.ts';
import { BatchRunner, checkClasses, checkData } from './batches.ts';
import type { Model } from './model.ts';
import { RunningTotals } from './totals.ts';

/** Dispatches one training step: loss, gradients and the update of the weights; the batch joins `totals`. */
export function trainOnBatch(
  model: Model,
  { x, labels }: { x: Tensor; labels: Tensor },
  { seed, state, totals }: { seed: number; state: StepState; totals: RunningTotals },
): void {
  const { optimizer } = model.training;
  const { device, parameters } = model;
  scope(device, () => {
    parameters.zeroGrad();
    const result = model.callLoss(x, labels, { training: true, seed, step: state });
    const total = parameters.penalties?.addTo(result.loss) ?? result.loss;
    if (parameters.trainableRuns.length > 0) {
      result.loss.backward(undefined, { release: true });
      parameters.settleGradients();
      optimizer.apply(parameters, state);
    }
    totals.add(total, result.hits);
  });
}

/** A training step of a compiled model, recorded as `fit` does it, on the first batch of `data`. */
export interface RecordedStep {
  program: Program;
  batchSize: number;
  /** Writes the step's uniform and submits the program. */
  run(): void;
  dispose(): void;
}

/**
 * Records a training step without running it; for profiles and for the tuner.
 * @throws ArgumentError, ShapeError as `fit` does
 */
export function recordTrainingStep(
  what: string,
  model: Model,
  data: BatchSource,
  options: { batchSize?: number } = {},
): RecordedStep {
  const batchSize = checkData(what, model, data, options);
  checkClasses(what, model, data);
  const { optimizer } = model.training;
  optimizer.build(model.parameters);
  const totals = new RunningTotals(model.device);
  const runner = new BatchRunner(data, batchSize, (batch) =>
    trainOnBatch(model, batch, { seed: 0, state: runner.state, totals }),
  );
  const step = optimizer.iterations + 1;
  return {
    program: runner.program(batchSize),
    batchSize,
    run: () => void runner.run(0, { step, stepSize: optimizer.stepSize(step), rate: optimizer.rateAt(step) }),
    dispose() {
      runner.dispose();
      totals.dispose();
    },
  };
}
