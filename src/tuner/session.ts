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

/** A problem with what was measured for it. */
export interface Tuned extends Problem, Measurement {
  /** Operator and sizes as one text: `conv2d batch=256 height=32 ...`. */
  key: string;
  /** `[256,400] [400,120] -> [256,120]`. */
  shapes: string;
}

/** A problem that could not be measured: its kernel stays the one by rule. */
export interface NotTuned extends Problem {
  /** Operator and sizes as one text. */
  key: string;
  /** `[256,400] [400,120] -> [256,120]`. */
  shapes: string;
  /** What the adapter refused. */
  reason: string;
}

/** How long `tune` measures, and what it reports. */
export interface SessionOptions {
  /** Seconds for everything; what it is too short for stays by rule. Default: half a second of timing a problem. */
  seconds?: number;
  /** Ends after the problem under way; what was measured counts. */
  signal?: AbortSignal;
  /** Called when a problem is done. */
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
   * Called if the adapter refuses the reference kernel of a problem, or its arrays, so that nothing can be compared with it. Default: when the
   * other problems are measured, the first such error is thrown.
   */
  onFailed?(failed: NotTuned): void;
}

/** Data of the right shape and no contents: enough to record a step. */
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

/** What a training step of a built and compiled model has to choose kernels for, the longest computations first. */
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
 * Measures which kernels are fastest for these problems, and takes them from now on on this device. Steps that are recorded
 * already keep theirs.
 * @throws ShaderError, OutOfMemoryError at the end, for the first problem that could not be measured, unless `onFailed` takes it; ArgumentError when the clock is too coarse for the seconds given
 */
export async function tuneProblems(
  device: Device,
  problems: readonly Problem[],
  { seconds, signal, onTuned, onFailed }: SessionOptions = {},
): Promise<Tuned[]> {
  const open = [...new Map(problems.map((problem) => [problemKey(problem), problem])).values()].filter(
    (problem) => supportedVariants(device, problem).length > 1,
  );
  // What was refused while the problems were found, by rule, is refused as a variant again; no problem is to fail for it.
  await device.ready().catch((error) => {
    if (!isRefusal(error)) throw error;
  });
  const resolution = clockResolution();
  const begun = performance.now();
  const secondsPerProblem = seconds === undefined ? 0.5 : Math.min(0.5, seconds / open.length);
  const results: Tuned[] = [];
  let refusal: Error | null = null;
  let done = 0;
  for (const { operator, sizes } of open) {
    if (signal?.aborted) break;
    if (seconds !== undefined && performance.now() - begun > 1000 * seconds) break;
    const problem = { operator, sizes };
    const about = { key: problemKey(problem), shapes: shapesOf(problem), ...problem };
    done++;
    let measured: Measurement;
    try {
      measured = await withVariantBenchmark(device, problem, (bench) =>
        tuneOperator(bench, { seconds: secondsPerProblem, resolution }),
      );
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (onFailed) onFailed({ ...about, reason: reasonOf(error) });
      else refusal ??= error;
      continue;
    }
    const tuned = { ...about, ...measured };
    device.choices.tuned.set(about.key, measured.variant);
    results.push(tuned);
    onTuned?.(tuned, { done, total: open.length });
  }
  if (refusal) throw refusal;
  return results;
}
