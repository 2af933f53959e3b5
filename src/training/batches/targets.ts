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
 * What the targets of some data are to a model and its loss: labels that the loss takes as they are; labels that become one-hot
 * rows, or, of two classes, the 0 or 1 that a model of one unit is to give; or numbers of the output's shape.
 */
export type TargetEncoding = 'labels' | 'oneHot' | 'binary' | 'values';

/** What of a model decides what targets it takes. */
export interface TargetSpec {
  outputShape: Shape;
  loss: Loss;
}

/**
 * Whether each output is a yes or no of its own, so that several labels may hold at once: where targets are rows of numbers, and the
 * loss takes outputs so or, if it does not say, the model ends in sigmoids; never after a softmax. (One unit tells two classes.)
 */
export function hasIndependentLabels(
  encoding: TargetEncoding | null,
  { finalActivation, outputShape, loss }: TargetSpec & { finalActivation: FinalActivation | null },
): boolean {
  if (encoding !== 'values' || finalActivation === 'softmax' || sameShape(outputShape, [1])) return false;
  return loss.independentLabels ?? finalActivation === 'sigmoid';
}

/** How labels of that many classes, or numbers of that shape, serve a model. @throws ShapeError, ArgumentError where they do not */
export function encodingOfSource(
  subject: string,
  { outputShape, loss }: TargetSpec,
  { classes, targetShape }: { classes: number | null; targetShape?: Shape | null },
): TargetEncoding {
  if (classes === null) {
    if (!targetShape) throw new ArgumentError(`${subject}: the data has no targets to compare the model's output with`);
    if (loss.targets === 'labels') {
      throw new ArgumentError(
        `${subject}: ${loss.name} wants labels (a class number for each sample), but the data has targets of ${showShape(targetShape)}: ` +
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
        oneRow(outputShape, classes),
    );
  }
  return loss.targets === 'labels' ? 'labels' : 'oneHot';
}

/** What to do where a model gives maps and one row for each sample is wanted. */
function oneRow(outputShape: Shape, units: number): string {
  if (outputShape.length < 2) return '';
  const layers = outputShape.length === 3 ? 'Flatten or GlobalAveragePooling2D' : 'Flatten';
  return `; put ${layers} before the last Dense, so that it ends in [${units}]`;
}

/**
 * The same for `y` that came as numbers: one for each sample, or as many as the output has.
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
        `for each of ${samples} samples${oneRow(outputShape, last)}`,
    );
  }
  if (outputShape.length !== 1 && loss.targets === 'labels') {
    throw new ShapeError(
      `${subject}: ${loss.name} needs a model that ends in [classes], but it ends in ${showShape(outputShape)}${oneRow(outputShape, last)}`,
    );
  }
  const labels = outputShape.length === 1 ? `${samples} labels` : '';
  const values = loss.targets === 'values' ? `${samples * columns} numbers (${showShape(outputShape)} each)` : '';
  const oneHot = loss.targets === 'labels' && columns > 1 && fits;
  throw new ShapeError(
    `${subject}: ${samples} samples need ${[labels, values].filter(Boolean).join(' or ')} as y for ${loss.name}, but there are ` +
      `${flat.length}${shape ? ` of shape ${showShape(shape)}` : ''}` +
      (oneHot ? '. One row for each sample, as toCategorical makes them, is what categoricalCrossentropy takes' : ''),
  );
}

/** A target and where it stands among all of them. */
export interface PlacedTarget {
  /** The target. */
  value: number;
  /** Its place among all targets, which lie one after another. */
  index: number;
}

/** The smallest and the largest of some finite targets, the first of equals. */
export function extremesOf(targets: ArrayLike<number>): PlacedTarget[] {
  let [least, most] = [0, 0];
  for (let i = 1; i < targets.length; i++) {
    if (targets[i]! < targets[least]!) least = i;
    if (targets[i]! > targets[most]!) most = i;
  }
  return [least, most].map((index) => ({ value: targets[index]!, index }));
}

/** @throws DataError for a target that the loss cannot have, saying where it stands */
export function checkTargetRange(
  subject: string,
  { outputShape, loss }: TargetSpec,
  extremes: readonly PlacedTarget[],
): void {
  if (!loss.targetRange) return;
  const [least, most] = loss.targetRange;
  const outside = extremes.find(({ value }) => value < least || value > most);
  if (!outside) return;
  const { value, index } = outside;
  const columns = sizeOf(outputShape);
  const column = columns > 1 ? ` (column ${index % columns})` : '';
  throw new DataError(
    `${subject}: y: target ${value} of sample ${Math.floor(index / columns)}${column} does not lie between ${least} and ${most}, as targets of ` +
      `${loss.name} must: labels count from 0, and pixels or scores must be scaled first; for any other number use meanSquaredError`,
  );
}

/** Targets as the loss wants them. */
export function toLossTargets(encoding: TargetEncoding, targets: Tensor, { outputShape }: TargetSpec): Tensor {
  if (encoding === 'oneHot') return new Tensor(oneHot(targets.array, outputShape[0]!));
  if (encoding === 'binary') return new Tensor(oneHot(targets.array, 1, 1));
  return targets;
}

/** Targets as classes, u32 [N], for what counts them. Targets of numbers mean their largest, or 1 above a half. */
export function toClassTargets(encoding: TargetEncoding, targets: Tensor): Tensor {
  return encoding === 'values' ? new Tensor(classesOf(targets.array, 0.5)) : targets;
}
