import { sizeOf } from '../kernels/array.ts';
import type { PlannedLayer } from './sequential.ts';

const counted = (n: number) => n.toLocaleString('en-US');

/** Values in the weights of all layers: those that training changes now, and all others. */
export function countParams(layers: readonly PlannedLayer[]): { trainable: number; nonTrainable: number } {
  const count = { trainable: 0, nonTrainable: 0 };
  for (const { layer, weights } of layers) {
    for (const { shape, trainable = true } of weights) {
      count[layer.trainable && trainable ? 'trainable' : 'nonTrainable'] += sizeOf(shape);
    }
  }
  return count;
}

const total = (what: string, params: number) =>
  `${what} params: ${counted(params)} (${((params * 4) / 1024).toFixed(2)} KB)`;

/** Keras's summary: a row a layer, then totals. */
export function summaryTable(name: string, layers: readonly PlannedLayer[]): string {
  const header = ['Layer (type)', 'Output Shape', 'Param #'];
  const rows = layers.map(({ layer, name, outputShape, weights }) => [
    `${name} (${layer.kind})`,
    `(None, ${outputShape.join(', ')})`,
    counted(weights.reduce((sum, { shape }) => sum + sizeOf(shape), 0)),
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)) + 3);
  const line = (row: string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('')
      .trimEnd();
  const width = widths.reduce((sum, n) => sum + n, 0);
  const { trainable, nonTrainable } = countParams(layers);
  return [
    `Model: "${name}"`,
    '─'.repeat(width),
    line(header),
    '═'.repeat(width),
    ...rows.map(line),
    '─'.repeat(width),
    total('Total', trainable + nonTrainable),
    total('Trainable', trainable),
    total('Non-trainable', nonTrainable),
  ].join('\n');
}
