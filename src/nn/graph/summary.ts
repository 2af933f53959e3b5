import { toPrintableLine } from '../../base/printable.ts';
import { sizeOf } from '../../kernels/array.ts';
import type { Graph, PlannedLayer } from '../layers/layer.ts';
import type { WeightSpec } from '../weights/weight.ts';

const formatCount = (n: number) => n.toLocaleString('en-US');

/** Number of weight elements: those that training changes now, and all others. */
export function countParams(specs: readonly WeightSpec[]): { trainable: number; nonTrainable: number } {
  const count = { trainable: 0, nonTrainable: 0 };
  for (const { shape, trainable = true, layer } of specs) {
    count[trainable && layer?.trainable !== false ? 'trainable' : 'nonTrainable'] += sizeOf(shape);
  }
  return count;
}

const BYTES_PER_PARAM = 4; // f32

/** Bytes as Keras's `readable_memory_size` prints them: `8.00 B`, `241.04 KB`, `1.00 MB`. */
function memorySize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size.toFixed(2)} ${units[unit]}`;
}

const totalLine = (subject: string, params: number) =>
  `${subject} params: ${formatCount(params)} (${memorySize(params * BYTES_PER_PARAM)})`;

/** Whether the input of every layer is the output of the one before, and nothing else. */
function isChain({ layers, uses }: Graph): boolean {
  return layers.length === uses.length && uses.every(({ inputs }, i) => inputs.length === 1 && inputs[0] === i);
}

/**
 * Summary as in Keras: one row for each layer, then totals. Optimizer slots, which Keras adds after `fit`, are not counted.
 * @param specs all weights of the model, with the shapes of one replica
 * @param replicas if more than one, a last line has their total size
 */
export function summaryTable(name: string, graph: Graph, specs: readonly WeightSpec[], replicas: number): string {
  const branches = !isChain(graph);
  const header = ['Layer (type)', 'Output Shape', 'Param #', ...(branches ? ['Connected to'] : [])];
  const cellsOf = ({ layer, name, outputShape, weights, inbound }: PlannedLayer) => [
    toPrintableLine(`${name} (${layer.kind})`),
    `(None${outputShape.map((n) => `, ${n}`).join('')})`,
    formatCount(weights.reduce((sum, { shape }) => sum + sizeOf(shape), 0)),
    ...(branches ? [toPrintableLine(inbound.join(', '))] : []),
  ];
  const rows = graph.layers.map(cellsOf);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)) + 3);
  const formatRow = (row: string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('')
      .trimEnd();
  const width = widths.reduce((sum, n) => sum + n, 0);
  const { trainable, nonTrainable } = countParams(specs);
  return [
    toPrintableLine(`Model: "${name}"`),
    '─'.repeat(width),
    formatRow(header),
    '═'.repeat(width),
    ...rows.map(formatRow),
    '─'.repeat(width),
    totalLine('Total', trainable + nonTrainable),
    totalLine('Trainable', trainable),
    totalLine('Non-trainable', nonTrainable),
    ...(replicas > 1
      ? [
          `Replicas: ${replicas}, each with its own params ` +
            `(${memorySize(replicas * (trainable + nonTrainable) * BYTES_PER_PARAM)} in all)`,
        ]
      : []),
  ].join('\n');
}
