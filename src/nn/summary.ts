import { sizeOf } from '../kernels/array.ts';
import type { PlannedLayer } from './sequential.ts';

const counted = (n: number) => n.toLocaleString('en-US');

/** Keras's summary: a row a layer, then totals. */
export function summaryTable(name: string, layers: readonly PlannedLayer[], params: number): string {
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
  const kilobytes = (params * 4) / 1024;
  return [
    `Model: "${name}"`,
    '─'.repeat(width),
    line(header),
    '═'.repeat(width),
    ...rows.map(line),
    '─'.repeat(width),
    `Total params: ${counted(params)} (${kilobytes.toFixed(2)} KB)`,
    `Trainable params: ${counted(params)} (${kilobytes.toFixed(2)} KB)`,
    'Non-trainable params: 0 (0.00 KB)',
  ].join('\n');
}
