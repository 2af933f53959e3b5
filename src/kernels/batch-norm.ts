import normCode from '../../shaders/batch_norm.wgsl';
import gradCode from '../../shaders/batch_norm_grad.wgsl';
import gradSumsCode from '../../shaders/batch_norm_grad_sums.wgsl';
import runningCode from '../../shaders/batch_norm_running.wgsl';
import squaresCode from '../../shaders/batch_norm_squares.wgsl';
import { ShapeError } from '../errors.ts';
import { DeviceArray, sameShape, showShape } from './array.ts';
import { sumRows } from './reduce.ts';
import { checkDType, commonModels, elementwise, f32, output, runKernel } from './run.ts';

/** Per channel, of a batch or running. */
export interface Statistics {
  mean: DeviceArray;
  variance: DeviceArray;
}

/** x seen as [rows, channels]. */
function columns(x: DeviceArray) {
  const channels = x.shape.at(-1)!;
  const rows = channels === 0 ? 0 : x.size / channels;
  const slice = Math.max(1, Math.ceil(Math.sqrt(rows)));
  return { rows, channels, slice, slices: Math.max(1, Math.ceil(rows / slice)) };
}

/** @throws ShapeError, ArgumentError unless x is f32 [...,C] and all of `perChannel` are f32 [C]. */
export function checkBatchNorm(operator: string, x: DeviceArray, perChannel: Record<string, DeviceArray>): void {
  checkDType(operator, 'the input', x, 'f32');
  const channels = x.shape.at(-1);
  if (channels === undefined) throw new ShapeError(`${operator}: the input must have channels, but has shape []`);
  for (const [what, array] of Object.entries(perChannel)) {
    checkDType(operator, what, array, 'f32');
    if (!sameShape(array.shape, [channels])) {
      throw new ShapeError(
        `${operator}: ${what} must have shape [${channels}], but has ${showShape(array.shape)} (input ${showShape(x.shape)})`,
      );
    }
  }
  commonModels(operator, [x, ...Object.values(perChannel)]);
}

/**
 * Mean and biased variance of each channel of x [...,C], in two passes (mean, then squared deviations) because one pass
 * cancels. Memory-bound.
 * @throws ShapeError where there is nothing to take the mean of
 */
export function batchStatistics(operator: string, x: DeviceArray): Statistics {
  const { rows, channels, slice, slices } = columns(x);
  if (rows === 0 && channels > 0) {
    throw new ShapeError(`${operator}: an empty batch has no mean (input ${showShape(x.shape)})`);
  }
  const mean = sumRows(x, channels, { scale: 1 / rows });
  const part = DeviceArray.empty(x.device, [slices, channels], { models: x.models });
  const source = { name: 'batch_norm_squares', code: squaresCode };
  const workgroups = elementwise(part.size, x.models);
  runKernel(x.device, source, [rows, channels, slice, slices], [x, mean, part], workgroups);
  const variance = sumRows(part, channels, { scale: 1 / rows });
  part.dispose();
  return { mean, variance };
}

/** Normalises, scales and shifts each channel of x [...,C] in one kernel. Memory-bound. */
export function batchNorm(
  x: DeviceArray,
  scale: DeviceArray,
  offset: DeviceArray,
  { mean, variance }: Statistics,
  epsilon: number,
): DeviceArray {
  const y = output(x.device, x.shape, x.models);
  const source = { name: 'batch_norm', code: normCode };
  const params = [x.size, columns(x).channels, f32(epsilon)];
  runKernel(x.device, source, params, [x, scale, offset, mean, variance, y], elementwise(x.size, x.models));
  return y;
}

/** Gradients for scale and offset, each [C]. Memory-bound. */
export function batchNormParameterGrads(
  x: DeviceArray,
  dy: DeviceArray,
  { mean, variance }: Statistics,
  epsilon: number,
  into: { dscale?: DeviceArray; doffset?: DeviceArray } = {},
): { dscale: DeviceArray; doffset: DeviceArray } {
  const { rows, channels, slice, slices } = columns(x);
  const parts = [0, 1].map(() => DeviceArray.empty(x.device, [slices, channels], { models: x.models }));
  const source = { name: 'batch_norm_grad_sums', code: gradSumsCode };
  const params = [rows, channels, slice, slices, f32(epsilon)];
  const workgroups = elementwise(slices * channels, x.models);
  runKernel(x.device, source, params, [x, dy, mean, variance, ...parts], workgroups);
  const doffset = sumRows(parts[0]!, channels, { into: into.doffset });
  const dscale = sumRows(parts[1]!, channels, { into: into.dscale });
  for (const part of parts) part.dispose();
  return { dscale, doffset };
}

/** Gradient for x [...,C]; through the batch's statistics when `sums` (the gradients of scale and offset) are given. Memory-bound. */
export function batchNormInputGrad(
  x: DeviceArray,
  dy: DeviceArray,
  scale: DeviceArray,
  { mean, variance }: Statistics,
  epsilon: number,
  sums: { dscale: DeviceArray; doffset: DeviceArray } | null,
  into?: DeviceArray,
): DeviceArray {
  const { rows, channels } = columns(x);
  const dx = output(x.device, x.shape, x.models, into);
  const source = { name: 'batch_norm_grad', code: gradCode };
  const params = [x.size, channels, f32(epsilon), f32(1 / rows), sums ? 1 : 0];
  const [doffset, dscale] = sums ? [sums.doffset, sums.dscale] : [mean, mean]; // not read then
  const bindings = [x, dy, scale, mean, variance, doffset, dscale, dx];
  runKernel(x.device, source, params, bindings, elementwise(x.size, x.models));
  return dx;
}

/** running = momentum * running + (1 - momentum) * batch, in place, on the GPU. Memory-bound. */
export function updateRunning(running: Statistics, batch: Statistics, momentum: number): void {
  const n = batch.mean.size * batch.mean.models;
  runKernel(
    batch.mean.device,
    { name: 'batch_norm_running', code: runningCode },
    [n, f32(1 - momentum)],
    [batch.mean, batch.variance, running.mean, running.variance],
    elementwise(n),
  );
}
