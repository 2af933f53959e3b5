import { Tensor } from '../autograd/tensor.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray } from '../kernels/array.ts';
import { tunables } from '../kernels/tunables.ts';
import type { BatchSource } from '../training/batches/batch-source.ts';
import { checkModel } from '../training/batches/source-batches.ts';
import type { Model } from '../training/model.ts';
import { recordTrainingStep } from '../training/training-step.ts';
import { isRefusal, type Problem, problemKey, reasonOf, supportedVariants, withVariantBenchmark } from './bench.ts';
import { clockResolution, type Measurement, tuneOperator } from './tune.ts';

/** A problem with its measurement. */
export interface Tuned extends Problem, Measurement {
  /** Operator and sizes as one text: `conv2d batch=256 height=32 ...`. */
  key: string;
  /** `[256,400] [400,120] -> [256,120]`. */
  shapes: string;
}

/** A problem that could not be measured; the rule still selects its kernel. */
export interface NotTuned extends Problem {
  /** Operator and sizes as one text. */
  key: string;
  /** `[256,400] [400,120] -> [256,120]`. */
  shapes: string;
  /** The adapter's refusal. */
  reason: string;
}

/** Time limit and callbacks of `tune`. */
export interface SessionOptions {
  /** Seconds for all problems; rules select the kernels of problems that do not fit. Default: half a second of timing per problem. */
  seconds?: number;
  /** Stops after the current problem and keeps its results. */
  signal?: AbortSignal;
  /** Called after each problem. */
  onTuned?(
    tuned: Tuned,
    progress: {
      /** Problems done. */
      done: number;
      /** Problems in all. */
      total: number;
    },
  ): void;
  /**
   * Called if the adapter refuses the reference kernel of a problem, or its arrays, so that nothing can be compared. Default: the first
   * such error is thrown after all other problems were measured.
   */
  onFailed?(failed: NotTuned): void;
}

/** Data of the right shape without contents: enough to record a step. */
function emptySource(model: Model, batchSize: number): BatchSource {
  const { device, inputShape: sampleShape, outputShape } = model;
  const labels = model.training.loss.targets === 'labels';
  return {
    device,
    size: batchSize,
    sampleShape,
    classes: labels ? (outputShape.at(-1) ?? 1) : null,
    targetShape: outputShape,
    batch: (_order, _state, batch) => ({
      x: new Tensor(DeviceArray.empty(device, [batch, ...sampleShape])),
      targets: new Tensor(
        labels
          ? DeviceArray.empty(device, [batch], { dtype: 'u32' })
          : DeviceArray.empty(device, [batch, ...outputShape]),
      ),
    }),
  };
}

/** The problems of a training step of a built and compiled model, most operations first. */
export function problemsOf(model: Model, batchSize: number): Problem[] {
  checkModel('problemsOf', model, 'problemsOf(model, batchSize)');
  const { used } = model.device.choices;
  const before = new Map(used);
  used.clear();
  recordTrainingStep('problemsOf', model, emptySource(model, batchSize), { batchSize }).dispose();
  const found = [...used.values()];
  for (const [key, choice] of before) used.set(key, choice);
  return sortByFlops(found);
}

const sortByFlops = (problems: Problem[]): Problem[] => {
  const flops = ({ operator, sizes }: Problem) => tunables[operator]!.flops(sizes);
  return problems.sort((a, b) => flops(b) - flops(a));
};

function shapesOf({ operator, sizes }: Problem): string {
  const { inputs, output } = tunables[operator]!;
  const formatShape = (shape: readonly number[]) => `[${shape}]`;
  return `${inputs(sizes).map(formatShape).join(' ')} -> ${formatShape(output(sizes))}`;
}

/**
 * Measures which kernels are fastest for these problems, and uses them on this device from now on. Steps that are already recorded
 * keep their kernels.
 * @throws ShaderError, OutOfMemoryError at the end, for the first problem that could not be measured, if there is no `onFailed`; ArgumentError if the clock is too coarse for `seconds`
 */
export async function tuneProblems(
  device: Device,
  problems: readonly Problem[],
  { seconds, signal, onTuned, onFailed }: SessionOptions = {},
): Promise<Tuned[]> {
  const pending = [...new Map(problems.map((problem) => [problemKey(problem), problem])).values()].filter(
    (problem) => supportedVariants(device, problem).length > 1,
  );
  // Refusals from `problemsOf` must not fail a problem here: the refused variants are rejected again below.
  await device.ready().catch((error) => {
    if (!isRefusal(error)) throw error;
  });
  const resolution = clockResolution();
  const begun = performance.now();
  const secondsPerProblem = seconds === undefined ? 0.5 : Math.min(0.5, seconds / pending.length);
  const results: Tuned[] = [];
  let refusal: Error | null = null;
  let done = 0;
  for (const { operator, sizes } of pending) {
    if (signal?.aborted) break;
    if (seconds !== undefined && performance.now() - begun > 1000 * seconds) break;
    const problem = { operator, sizes };
    const described = { key: problemKey(problem), shapes: shapesOf(problem), ...problem };
    done++;
    let measured: Measurement;
    try {
      measured = await withVariantBenchmark(device, problem, (bench) =>
        tuneOperator(bench, { seconds: secondsPerProblem, resolution }),
      );
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (onFailed) onFailed({ ...described, reason: reasonOf(error) });
      else refusal ??= error;
      continue;
    }
    const tuned = { ...described, ...measured };
    device.choices.tuned.set(described.key, measured.variant);
    results.push(tuned);
    onTuned?.(tuned, { done, total: pending.length });
  }
  if (refusal) throw refusal;
  return results;
}
