import type { HostNumbers } from '../../autograd/host-data.ts';
import { Tensor } from '../../autograd/tensor.ts';
import { ArgumentError, DataError, ShapeError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape, sizeOf } from '../../kernels/array.ts';
import { oneHot } from '../../kernels/gather/gather-rows.ts';
import { classesOf } from '../../kernels/metrics/metrics.ts';
import type { FinalActivation } from '../../nn/layers/layer.ts';
import type { Loss } from '../../nn/losses.ts';
import { equalUpToTrailingOne, isLabels } from './host-batch.ts';

/**
 * How the loss takes the targets of some data: `labels` as class numbers, `oneHot` as one-hot rows made from labels, `binary` as 0 or 1 for a
 * model with one unit, `values` as numbers of the output's shape.
 */
export type TargetEncoding = 'labels' | 'oneHot' | 'binary' | 'values';

/** The properties of a model that decide which targets it takes. */
export interface TargetSpec {
  outputShape: Shape;
  loss: Loss;
}

/**
 * Whether each output is a separate yes or no, so that a sample may have several labels. It needs rows of numbers as targets and a loss for
 * independent labels; if the loss takes both, a model that ends in sigmoids. Never after a softmax or with one unit, which has two classes.
 */
export function hasIndependentLabels(
  encoding: TargetEncoding | null,
  { finalActivation, outputShape, loss }: TargetSpec & { finalActivation: FinalActivation | null },
): boolean {
  if (encoding !== 'values' || finalActivation === 'softmax' || sameShape(outputShape, [1])) return false;
  return loss.independentLabels ?? finalActivation === 'sigmoid';
}

/**
 * The encoding for the targets of a source.
 * @param source.classes number of classes if targets are labels; null if they are numbers of shape `targetShape`
 * @throws ShapeError, ArgumentError if they do not fit the model
 */
export function encodingOfSource(
  subject: string,
  { outputShape, loss }: TargetSpec,
  { classes, targetShape }: { classes: number | null; targetShape?: Shape | null },
): TargetEncoding {
  if (classes === null) {
    if (!targetShape) throw new ArgumentError(`${subject}: the data has no targets to compare the model's output with`);
    if (loss.targets === 'labels') {
      throw new ArgumentError(
        `${subject}: ${loss.name} needs labels (a class number for each sample), but the data has targets of ${showShape(targetShape)}: ` +
          'give labels, or use categoricalCrossentropy',
      );
    }
    if (!sameShape(targetShape, outputShape)) {
      throw new ShapeError(
        `${subject}: the model ends in ${showShape(outputShape)}, but the data has targets of ${showShape(targetShape)}`,
      );
    }
    return 'values';
  }
  if (sameShape(outputShape, [1]) && classes <= 2 && loss.targets === 'values') return 'binary';
  if (!sameShape(outputShape, [classes])) {
    const binary = classes === 2 && loss.targets === 'values' ? ' or [1]' : '';
    throw new ShapeError(
      `${subject}: the data has ${classes} classes, so the model must end in [${classes}]${binary}, but ends in ${showShape(outputShape)}` +
        flattenAdvice(outputShape, classes),
    );
  }
  return loss.targets === 'labels' ? 'labels' : 'oneHot';
}

/** What to do if the output has several axes but the targets need one row for each sample. */
function flattenAdvice(outputShape: Shape, units: number): string {
  if (outputShape.length < 2) return '';
  const layers = outputShape.length === 3 ? 'Flatten or GlobalAveragePooling2D' : 'Flatten';
  return `; put ${layers} before the last Dense, so that it ends in [${units}]`;
}

/**
 * The encoding for targets from the host: one number for each sample, or as many as the output has.
 * @throws ShapeError for another number of them, or an array of another shape
 */
export function encodingOfNumbers(
  subject: string,
  { outputShape, loss }: TargetSpec,
  samples: number,
  { flat, shape }: HostNumbers,
): TargetEncoding {
  const columns = sizeOf(outputShape);
  const fits = shape
    ? shape[0] === samples && equalUpToTrailingOne(shape.slice(1), outputShape)
    : flat.length === samples * columns;
  if (loss.targets === 'values' && fits) return 'values';
  if (isLabels({ flat, shape }, samples) && outputShape.length === 1 && (columns > 1 || loss.targets === 'labels')) {
    return loss.targets === 'labels' ? 'labels' : 'oneHot';
  }
  const last = outputShape.at(-1) ?? 1;
  const row = isLabels({ flat, shape }, samples) ? 1 : last;
  if (outputShape.length > 1 && flat.length === samples * row) {
    throw new ShapeError(
      `${subject}: the model ends in ${showShape(outputShape)} for each sample, but y has ${row === 1 ? 'one number' : `${row} numbers`} ` +
        `for each of ${samples} samples${flattenAdvice(outputShape, last)}`,
    );
  }
  if (outputShape.length !== 1 && loss.targets === 'labels') {
    throw new ShapeError(
      `${subject}: ${loss.name} needs a model that ends in [classes], but it ends in ${showShape(outputShape)}${flattenAdvice(outputShape, last)}`,
    );
  }
  const labels = outputShape.length === 1 ? `${samples} labels` : '';
  const values = loss.targets === 'values' ? `${samples * columns} numbers (${showShape(outputShape)} each)` : '';
  const oneHot = loss.targets === 'labels' && columns > 1 && fits;
  throw new ShapeError(
    `${subject}: ${samples} samples need ${[labels, values].filter(Boolean).join(' or ')} as y for ${loss.name}, but there are ` +
      `${flat.length}${shape ? ` of shape ${showShape(shape)}` : ''}` +
      (oneHot ? '; for one-hot rows, as from toCategorical, use categoricalCrossentropy' : ''),
  );
}

/** A target and its index. */
export interface PlacedTarget {
  /** The target. */
  value: number;
  /** Index in the flat array of all targets. */
  index: number;
}

/** The smallest and the largest of some finite targets; the first of equal ones. */
export function findExtremes(targets: ArrayLike<number>): PlacedTarget[] {
  let [smallest, largest] = [0, 0];
  for (let i = 1; i < targets.length; i++) {
    if (targets[i]! < targets[smallest]!) smallest = i;
    if (targets[i]! > targets[largest]!) largest = i;
  }
  return [smallest, largest].map((index) => ({ value: targets[index]!, index }));
}

/** @throws DataError, with sample and column, for a target outside the range of the loss */
export function checkTargetRange(
  subject: string,
  { outputShape, loss }: TargetSpec,
  extremes: readonly PlacedTarget[],
): void {
  if (!loss.targetRange) return;
  const [min, max] = loss.targetRange;
  const outside = extremes.find(({ value }) => value < min || value > max);
  if (!outside) return;
  const { value, index } = outside;
  const columns = sizeOf(outputShape);
  const column = columns > 1 ? ` (column ${index % columns})` : '';
  throw new DataError(
    `${subject}: y: target ${value} of sample ${Math.floor(index / columns)}${column} does not lie between ${min} and ${max}, as targets of ` +
      `${loss.name} must: labels count from 0, and pixels or scores must be scaled first; for any other number use meanSquaredError`,
  );
}

/** Converts targets for the loss. */
export function toLossTargets(encoding: TargetEncoding, targets: Tensor, { outputShape }: TargetSpec): Tensor {
  if (encoding === 'oneHot') return new Tensor(oneHot(targets.array, outputShape[0]!));
  if (encoding === 'binary') return new Tensor(oneHot(targets.array, 1, 1));
  return targets;
}

/** Converts targets to classes, u32 [N]. For rows of numbers: the index of the largest; for one number: 1 above 0.5, else 0. */
export function toClassTargets(encoding: TargetEncoding, targets: Tensor): Tensor {
  return encoding === 'values' ? new Tensor(classesOf(targets.array, 0.5)) : targets;
}
