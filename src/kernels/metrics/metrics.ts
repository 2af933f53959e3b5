import accumulateLossCode from '../../../shaders/metrics/accumulate_loss.wgsl';
import accumulateMetricsCode from '../../../shaders/metrics/accumulate_metrics.wgsl';
import binaryHitsCode from '../../../shaders/metrics/binary_hits.wgsl';
import classesOfCode from '../../../shaders/metrics/classes_of.wgsl';
import confusionCode from '../../../shaders/metrics/confusion.wgsl';
import countLabelsCode from '../../../shaders/metrics/count_labels.wgsl';
import countOutsideCode from '../../../shaders/metrics/count_outside.wgsl';
import hitsCode from '../../../shaders/metrics/hits.wgsl';
import totalsCode from '../../../shaders/metrics/running_totals.wgsl';
import topKCode from '../../../shaders/metrics/top_k.wgsl';
import type { DeviceArray } from '../array.ts';
import { withFloatBits } from '../float-bits.ts';
import {
  checkDType,
  checkRank,
  checkSameShape,
  commonReplicas,
  elementwiseWorkgroups,
  f32Bits,
  gridStrideWorkgroups,
  output,
  runKernel,
} from '../run.ts';

/** Words of a replica's running totals: samples and hits (two words each), batches, and the sums of losses by level (shaders/metrics/running_totals.wgsl). */
export const TOTALS_WORDS = 10;

/** Decodes the running totals of a replica from `TOTALS_WORDS` words. Counts are exact; the relative error of the loss is at most 5e-6. */
export function readTotals(words: Uint32Array<ArrayBuffer>): { samples: number; hits: number; loss: number } {
  const count = (at: number) => words[at]! + words[at + 1]! * 2 ** 32;
  const levels = new Float32Array(words.buffer, words.byteOffset + 20, 5);
  return { samples: count(0), hits: count(2), loss: levels.reduceRight((sum, level) => sum + level, 0) };
}

/** Adds a batch to the running totals: its mean loss [] times its rows, its rows, and its hits. rowHit [N], totals u32 [TOTALS_WORDS]. */
export function accumulateMetrics(loss: DeviceArray, rowHit: DeviceArray, totals: DeviceArray): void {
  const source = { name: 'accumulate_metrics', code: totalsCode + accumulateMetricsCode };
  runKernel(loss.device, source, [rowHit.size], [loss, totals, rowHit], [1, 1, loss.replicas]);
}

/** Adds a batch of `rows` samples without hits to the running totals. loss [], totals u32 [TOTALS_WORDS]. */
export function accumulateLoss(loss: DeviceArray, rows: number, totals: DeviceArray): void {
  const source = { name: 'accumulate_loss', code: totalsCode + accumulateLossCode };
  runKernel(loss.device, source, [rows], [loss, totals], [1, 1, loss.replicas]);
}

/** 1 for each row whose first largest output is its label's, else 0: output [N,C], labels u32 [N] -> [N]. Memory-bound. */
export function countHits(y: DeviceArray, labels: DeviceArray): DeviceArray {
  checkRank('hits', 'the output', y, 2, 'batch, classes');
  const hit = output(y.device, labels.shape, commonReplicas('hits', [y, labels]));
  const rows = hit.replicas * hit.size;
  runKernel(
    y.device,
    withFloatBits({ name: 'hits', code: hitsCode }),
    [rows, y.shape[1]!],
    [y, labels, hit],
    elementwiseWorkgroups(rows),
  );
  return hit;
}

/** 1 for each row whose output is above `threshold` if and only if its target is 1: output and target [N,1] -> [N]. Memory-bound. */
export function binaryHits(y: DeviceArray, target: DeviceArray, threshold: number): DeviceArray {
  checkSameShape('hits', y, target);
  const hit = output(y.device, [y.shape[0]!], commonReplicas('hits', [y, target]));
  const rows = hit.replicas * hit.size;
  const source = withFloatBits({ name: 'binary_hits', code: binaryHitsCode });
  runKernel(y.device, source, [rows, f32Bits(threshold)], [y, target, hit], elementwiseWorkgroups(rows));
  return hit;
}

/**
 * Predicted class of each row, u32 [N]: the first largest of values [N,C]; for [N,1], 1 above `threshold`, else 0. 0xffffffff for a row
 * with NaN. Memory-bound.
 */
export function classesOf(values: DeviceArray, threshold: number): DeviceArray {
  checkRank('classesOf', 'the values', values, 2, 'batch, classes');
  const [rows, columns] = [values.shape[0]!, values.shape[1]!];
  const classes = output(values.device, [rows], values.replicas, undefined, 'u32');
  const params = [values.replicas * rows, columns, f32Bits(threshold)];
  const source = withFloatBits({ name: 'classes_of', code: classesOfCode });
  runKernel(values.device, source, params, [values, classes], elementwiseWorkgroups(values.replicas * rows));
  return classes;
}

/** Adds a batch to a confusion matrix [C,C] (rows actual, columns predicted) at `counts[first ..]`; classes u32 [N]. Memory-bound. */
export function countConfusion(
  actual: DeviceArray,
  predicted: DeviceArray,
  counts: DeviceArray,
  { classes, first = 0 }: { classes: number; first?: number },
): void {
  checkSameShape('confusion', actual, predicted);
  checkDType('confusion', 'the counts', counts, 'u32');
  const replicas = commonReplicas('confusion', [actual, predicted, counts]);
  const source = { name: 'confusion', code: confusionCode };
  const params = [actual.size, classes, first, counts.size];
  runKernel(counts.device, source, params, [actual, predicted, counts], elementwiseWorkgroups(actual.size, replicas));
}

/** Adds to `counts[at]` the number of rows whose label is among the k largest outputs: [N,C], labels u32 [N]. Memory-bound. */
export function countTopK(
  y: DeviceArray,
  labels: DeviceArray,
  counts: DeviceArray,
  { k, at = 0 }: { k: number; at?: number },
): void {
  checkRank('topK', 'the output', y, 2, 'batch, classes');
  checkDType('topK', 'the counts', counts, 'u32');
  const replicas = commonReplicas('topK', [y, labels, counts]);
  const source = withFloatBits({ name: 'top_k', code: topKCode });
  const params = [labels.size, y.shape[1]!, k, at, counts.size];
  runKernel(counts.device, source, params, [y, labels, counts], elementwiseWorkgroups(labels.size, replicas));
}

/** Rows of a label that an invocation of `countLabels` counts. */
const LABEL_STRIP = 256;

/** u32 words of the counts of `countLabels`. */
export const labelWords = (labels: number): number => 2 + 8 * labels;

/**
 * Adds a batch to the counts of labels that do not exclude each other, u32 [labelWords(labels) or more] (shaders/metrics/count_labels.wgsl): output
 * and target f32 [N, ..., labels]. Memory-bound.
 */
export function countLabels(
  y: DeviceArray,
  target: DeviceArray,
  counts: DeviceArray,
  { threshold, first = 0 }: { threshold: number; first?: number },
): void {
  checkSameShape('countLabels', y, target);
  checkDType('countLabels', 'the counts', counts, 'u32');
  const replicas = commonReplicas('countLabels', [y, target, counts]);
  const labels = y.shape.at(-1)!;
  const rows = y.size / labels;
  const source = withFloatBits({ name: 'count_labels', code: countLabelsCode });
  const params = [rows, labels, f32Bits(threshold), first, counts.size];
  const grid = elementwiseWorkgroups(Math.ceil(rows / LABEL_STRIP) * labels, replicas);
  runKernel(counts.device, source, params, [y, target, counts], grid);
}

/** u32 words of the counts of `countOutside`. */
export const OUTSIDE_WORDS = 3;

/** Counts targets f32 [N, ...] outside a range in OUTSIDE_WORDS words of `counts` (shaders/metrics/count_outside.wgsl). Memory-bound. */
export function countOutside(
  targets: DeviceArray,
  counts: DeviceArray,
  { range: [least, most], first = 0 }: { range: readonly [number, number]; first?: number },
): void {
  checkDType('countOutside', 'the targets', targets, 'f32');
  checkDType('countOutside', 'the counts', counts, 'u32');
  const replicas = commonReplicas('countOutside', [targets, counts]);
  const source = { name: 'count_outside', code: countOutsideCode };
  const params = [targets.size, first, counts.size, f32Bits(least), f32Bits(most)];
  runKernel(counts.device, source, params, [targets, counts], gridStrideWorkgroups(targets.size, replicas));
}

/** Decodes the words of `countOutside`: the number of targets outside the range, the smallest and the largest. */
export function readOutside(words: Uint32Array): { count: number; least: number; most: number } {
  const valueOfKey = (key: number) => {
    const bits = Uint32Array.of(key >= 2 ** 31 ? key - 2 ** 31 : ~key);
    return new Float32Array(bits.buffer)[0]!;
  };
  return { count: words[0]!, least: valueOfKey(~words[2]! >>> 0), most: valueOfKey(words[1]!) };
}
