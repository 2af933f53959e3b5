import { formatValue, readList } from '../base/check.ts';
import { ArgumentError, ShapeError } from '../base/errors.ts';

/**
 * Padding of a sliding window: none, or as much as makes the output ceil(input / stride).
 * @inline
 */
export type Padding = 'valid' | 'same';
/**
 * One number for both directions, or [height, width].
 * @inline
 */
export type Pair = number | readonly [number, number];

/** @returns a pair of positive integers. @throws ArgumentError if `value` is not a positive integer or two of them */
export function checkPair(operator: string, argument: string, value: Pair): [number, number] {
  const both = typeof value === 'number' ? [value, value] : (readList(operator, value) ?? []);
  if (both.length !== 2 || !both.every((n) => Number.isInteger(n) && (n as number) > 0)) {
    throw new ArgumentError(
      `${operator}: ${argument} must be a positive integer or two of them, but is ${formatValue(value)}`,
    );
  }
  return both as [number, number];
}

/**
 * Output size and leading padding of a sliding window in one direction. 'same' pads as TensorFlow does: so that the output has
 * ceil(input / stride) elements, with the larger half of an odd padding at the end.
 */
function slideAlongAxis(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
  padding: Padding,
): [output: number, pad: number] {
  const extent = (kernel - 1) * dilation + 1;
  if (padding === 'valid') return [Math.floor((input - extent) / stride) + 1, 0];
  const output = Math.ceil(input / stride);
  return [output, Math.floor(Math.max(0, (output - 1) * stride + extent - input) / 2)];
}

/** Output size and leading padding in both directions. @throws ShapeError if a 'valid' window does not fit, ArgumentError for other paddings */
export function slideWindow(
  operator: string,
  input: readonly [number, number],
  kernel: readonly [number, number],
  strides: readonly [number, number],
  dilation: readonly [number, number],
  padding: Padding,
  shapes: string,
): { size: [number, number]; pad: [number, number] } {
  if (padding !== 'valid' && padding !== 'same') {
    throw new ArgumentError(`${operator}: padding must be 'valid' or 'same', but is ${formatValue(padding)}`);
  }
  const [outH, padH] = slideAlongAxis(input[0], kernel[0], strides[0], dilation[0], padding);
  const [outW, padW] = slideAlongAxis(input[1], kernel[1], strides[1], dilation[1], padding);
  if (outH < 1 || outW < 1) {
    throw new ShapeError(
      `${operator}: a ${kernel.join('x')} window${dilation.some((d) => d > 1) ? ` dilated by ${dilation.join('x')}` : ''} does not fit ` +
        `into ${input.join('x')} pixels with padding 'valid' (${shapes})`,
    );
  }
  return { size: [outH, outW], pad: [padH, padW] };
}
