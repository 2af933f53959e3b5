import type { Device } from '../../gpu/device.ts';
import type { DeviceArray } from '../array.ts';
import type { Epilogue } from '../epilogue.ts';
import { matmul } from '../matmul/matmul.ts';
import { type ConvGeometry, convFlops } from './conv-geometry.ts';

// Convolutions with 1 x 1 filters and without strides are matrix products of the pixels with the filter.

const supports = (_device: Device, g: ConvGeometry): boolean =>
  [...g.kernel, ...g.strides].every((n) => n === 1) && convFlops(g, 1) > 0;
export const supportsForward = supports;
export const supportsInputGrad = supports;
export const supportsWeightGrad = supports;

/** Runs `body` on the arrays viewed as matrices, whose columns are the last axis. */
function onMatrices(arrays: readonly DeviceArray[], body: (...matrices: DeviceArray[]) => void): void {
  const matrices = arrays.map((array) => {
    const columns = array.shape.at(-1)!;
    return array.reshape([array.size / columns, columns]);
  });
  body(...matrices);
  for (const matrix of matrices) matrix.dispose();
}

export function forward(
  x: DeviceArray,
  filter: DeviceArray,
  _g: ConvGeometry,
  y: DeviceArray,
  options: Epilogue,
): void {
  onMatrices([x, filter, y], (rows, weights, into) => void matmul(rows!, weights!, { ...options, into }));
}

export function inputGrad(dy: DeviceArray, filter: DeviceArray, _g: ConvGeometry, dx: DeviceArray): void {
  onMatrices([dy, filter, dx], (rows, weights, into) => void matmul(rows!, weights!, { transposeB: true, into }));
}

export function weightGrad(
  x: DeviceArray,
  dy: DeviceArray,
  _g: ConvGeometry,
  dw: DeviceArray,
  columnSums?: DeviceArray,
): void {
  onMatrices([x, dy, dw], (rows, drows, into) => void matmul(rows!, drows!, { transposeA: true, into, columnSums }));
}
