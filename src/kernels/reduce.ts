import reduceRowsCode from '../../shaders/reduce_rows.wgsl';
import { DeviceArray } from './array.ts';
import { checkDType, elementwise, f32, output, runKernel } from './run.ts';

/** Below this many rows one pass does it all; above, slices of about the square root keep both passes short. */
const ONE_PASS_ROWS = 64;

/**
 * Column sums: x read as [rows, channels] -> [channels], times `scale`. The order of additions depends on the shape alone.
 * Memory-bound.
 */
export function sumRows(
  x: DeviceArray,
  channels: number,
  options: { scale?: number; into?: DeviceArray } = {},
): DeviceArray {
  const rows = channels === 0 ? 0 : x.size / channels;
  const y = output(x.device, [channels], x.models, options.into);
  const source = { name: 'reduce_rows', code: reduceRowsCode };
  const run = (from: DeviceArray, count: number, slice: number, slices: number, to: DeviceArray, scale: number) =>
    runKernel(
      x.device,
      source,
      [count, channels, slice, slices, f32(scale)],
      [from, to],
      elementwise(slices * channels, x.models),
    );
  const scale = options.scale ?? 1;
  if (rows <= ONE_PASS_ROWS) {
    run(x, rows, rows, 1, y, scale);
    return y;
  }
  const slice = Math.ceil(Math.sqrt(rows));
  const slices = Math.ceil(rows / slice);
  const partial = DeviceArray.empty(x.device, [slices, channels], { models: x.models });
  run(x, rows, slice, slices, partial, 1);
  run(partial, slices, slices, 1, y, scale);
  partial.dispose();
  return y;
}

/** Sum of all elements times `scale` -> shape []. Memory-bound. */
export function sumAll(operator: string, x: DeviceArray, scale = 1): DeviceArray {
  checkDType(operator, 'the input', x, 'f32');
  const total = sumRows(x, 1, { scale });
  const scalar = total.reshaped([]);
  total.dispose();
  return scalar;
}
