import { formatValue, readList } from '../base/check.ts';
import { ArgumentError, ShapeError } from '../base/errors.ts';
import { type Shape, showShape } from './array.ts';

/**
 * One axis or several; negative ones count from the end.
 * @inline
 */
export type Axes = number | readonly number[];

/** The axis counted from 0. @throws ArgumentError if it is not an integer, ShapeError if it is out of range */
export function checkAxis(operator: string, axis: number, shape: Shape, rank = shape.length): number {
  if (!Number.isInteger(axis))
    throw new ArgumentError(`${operator}: an axis must be an integer, but is ${formatValue(axis)}`);
  if (axis < -rank || axis >= rank) {
    const legal = rank === 0 ? 'none' : `${-rank} to ${rank - 1}`;
    throw new ShapeError(`${operator}: there is no axis ${axis} (input ${showShape(shape)}, legal: ${legal})`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Axes in ascending order, counted from 0; all axes if undefined. @throws ArgumentError, ShapeError */
export function checkAxes(operator: string, axes: Axes | undefined, shape: Shape): number[] {
  if (axes === undefined) return shape.map((_, d) => d);
  const list = typeof axes === 'number' ? [axes] : readList(operator, axes);
  if (!list) {
    throw new ArgumentError(`${operator}: axis must be an integer or a list of integers, but is ${formatValue(axes)}`);
  }
  const found = list.map((axis) => checkAxis(operator, axis as number, shape));
  if (new Set(found).size !== found.length) {
    throw new ArgumentError(`${operator}: an axis is named twice in ${formatValue(axes)} (input ${showShape(shape)})`);
  }
  return found.sort((a, b) => a - b);
}
