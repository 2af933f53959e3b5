export type Padding = 'valid' | 'same';
export type Pair = number | readonly [number, number];

export function pair(value: Pair): readonly [number, number] {
  return typeof value === 'number' ? [value, value] : value;
}

/**
 * Output length along one axis and number of padding cells before the first one, as in TensorFlow: 'same' gives
 * ceil(input / stride) outputs and, if the padding is odd, puts the extra cell at the end.
 */
export function windowAxis(input: number, kernel: number, stride: number, dilation: number, padding: Padding) {
  const reach = (kernel - 1) * dilation + 1;
  if (padding === 'valid') return { output: Math.floor((input - reach) / stride) + 1, before: 0 };
  const output = Math.ceil(input / stride);
  const cells = Math.max((output - 1) * stride + reach - input, 0);
  return { output, before: Math.floor(cells / 2) };
}
