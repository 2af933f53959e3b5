import { crc32c } from '../base/crc32c.ts';
import { bytes, double, type Field, floats, int, message } from './protobuf.ts';

/**
 * TensorBoard's event files: TFRecords, each an `Event` in protobuf's wire format. Field numbers are those of TensorFlow's
 * core/util/event.proto and core/framework/{summary,tensor,tensor_shape,types,graph,node_def,attr_value}.proto; values are
 * written as `tf.summary` of TensorFlow 2 writes them: a tensor, and the name of the plugin that shows it.
 */

/** Encodes a record with its frame: length, its masked CRC-32C, data, their masked CRC-32C. */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(16 + data.length);
  const view = new DataView(frame.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskCrc(crc32c(frame.subarray(0, 8))), true);
  frame.set(data, 12);
  view.setUint32(12 + data.length, maskCrc(crc32c(data)), true);
  return frame;
}

/** TFRecords rotate a CRC and add a constant, because a CRC of data that contain CRCs would be weak. */
const maskCrc = (crc: number) => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

/** One value of a summary: its name, the tensor, and the plugin that shows it. */
export type Summary = Field;

/** An event of an event file. @param wallTime seconds since 1970 @param step the epoch, from 0 */
export const summaryEvent = (wallTime: number, step: number, summaries: readonly Summary[]): Uint8Array =>
  message(
    double(1, wallTime),
    ...(step === 0 ? [] : [int(2, step)]), // protobuf leaves zeros out
    bytes(5, message(...summaries.map((value) => bytes(1, value)))),
  );

/** The first event of every file. */
export const versionEvent = (wallTime: number): Uint8Array => message(double(1, wallTime), bytes(3, 'brain.Event:2'));

/** Marks a session that writes from a step on: TensorBoard discards what earlier sessions wrote at that step and later ones. */
export const startEvent = (wallTime: number, step: number): Uint8Array =>
  message(double(1, wallTime), int(2, step), bytes(7, int(1, 1)));

/** DataType in types.proto. */
const [FLOAT, DOUBLE, STRING] = [1, 2, 7];

const summary = (tag: string, plugin: string, tensor: Uint8Array): Summary =>
  message(bytes(1, tag), bytes(8, tensor), bytes(9, bytes(1, bytes(1, plugin))));

const shapeOf = (sizes: readonly number[]) => message(...sizes.map((size) => bytes(2, size === 0 ? '' : int(1, size))));

/** A number, shown as a curve. */
export const scalar = (tag: string, value: number): Summary =>
  summary(tag, 'scalars', message(int(1, FLOAT), bytes(2, ''), floats(5, [value])));

/** Text, shown as Markdown. */
export const text = (tag: string, value: string): Summary =>
  summary(tag, 'text', message(int(1, STRING), bytes(2, ''), bytes(8, value)));

/** A picture. @param png the bytes of its file */
export const image = (
  tag: string,
  { width, height, png }: { width: number; height: number; png: Uint8Array },
): Summary =>
  summary(
    tag,
    'images',
    message(int(1, STRING), bytes(2, shapeOf([3])), bytes(8, `${width}`), bytes(8, `${height}`), bytes(8, png)),
  );

/** A histogram of values, as `tf.summary.histogram` counts them. */
export function histogram(tag: string, values: ArrayLike<number>): Summary {
  const rows = countBuckets(values);
  const content = new Uint8Array(8 * rows.length);
  const view = new DataView(content.buffer);
  for (const [i, value] of rows.entries()) view.setFloat64(8 * i, value, true);
  return summary(tag, 'histograms', message(int(1, DOUBLE), bytes(2, shapeOf([BUCKETS, 3])), bytes(4, content)));
}

const BUCKETS = 30;

/**
 * Returns [left, right, count] of 30 buckets of equal width from the smallest to the largest value, which the last bucket includes.
 * If all values are equal, the last bucket counts all; without values everything is 0. Values that are not finite are not counted.
 */
export function countBuckets(values: ArrayLike<number>): number[] {
  const finite = Float64Array.from(values).filter(Number.isFinite);
  let [min, max] = [finite[0] ?? 0, finite[0] ?? 0];
  for (const value of finite) {
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  const width = (max - min) / BUCKETS;
  const counts = new Array<number>(BUCKETS).fill(0);
  for (const value of finite) {
    const bucket = width > 0 ? Math.floor((value - min) / width) : BUCKETS;
    counts[Math.min(bucket, BUCKETS - 1)]!++;
  }
  const edge = (i: number) => (i === BUCKETS ? max : min + i * width);
  return counts.flatMap((count, i) => [edge(i), edge(i + 1), count]);
}

/** A layer in TensorBoard's graph of a model. */
export interface GraphNode {
  name: string;
  /** The kind of layer. */
  op: string;
  inputs: readonly string[];
  /** Shape of its output without the batch, which the graph shows as unknown. */
  shape: readonly number[];
}

/** The graph of a model, which TensorBoard shows under "Graphs". */
export const graphEvent = (wallTime: number, nodes: readonly GraphNode[]): Uint8Array =>
  message(double(1, wallTime), bytes(4, message(...nodes.map((node) => bytes(1, nodeOf(node))))));

function nodeOf({ name, op, inputs, shape }: GraphNode): Uint8Array {
  const shapes = bytes(1, bytes(7, shapeOf([-1, ...shape])));
  return message(
    bytes(1, name),
    bytes(2, op),
    ...inputs.map((input) => bytes(3, input)),
    bytes(5, message(bytes(1, '_output_shapes'), bytes(2, shapes))),
  );
}
