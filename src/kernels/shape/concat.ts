import concatPartCode from '../../../shaders/shape/concat_part.wgsl';
import { ShapeError } from '../../base/errors.ts';
import { type DeviceArray, showShape, sizeOf } from '../array.ts';
import { checkAxis } from '../axes.ts';
import { checkDType, commonReplicas, elementwiseWorkgroups, output, runKernel } from '../run.ts';

/**
 * Concatenates arrays along an axis; their other sizes and their types must agree. Memory-bound.
 * @returns the result, and the index along the axis at which each array begins
 * @throws ShapeError, ArgumentError
 */
export function concat(
  arrays: readonly DeviceArray[],
  axis: number,
): { y: DeviceArray; begins: number[]; axis: number } {
  const operator = 'concat';
  const first = arrays[0]!;
  const d = checkAxis(operator, axis, first.shape);
  for (const array of arrays) {
    checkDType(operator, 'every tensor', array, first.dtype);
    const fits =
      array.shape.length === first.shape.length && array.shape.every((n, k) => k === d || n === first.shape[k]);
    if (!fits) {
      throw new ShapeError(
        `${operator}: shapes must agree in all axes but ${axis} (${arrays.map((a) => showShape(a.shape)).join(', ')})`,
      );
    }
  }
  const replicas = commonReplicas(operator, arrays);
  const total = arrays.reduce((sum, array) => sum + array.shape[d]!, 0);
  const y = output(first.device, first.shape.with(d, total), replicas, undefined, first.dtype);
  const inner = sizeOf(first.shape.slice(d + 1));
  const begins: number[] = [];
  let begin = 0;
  for (const x of arrays) {
    begins.push(begin);
    const size = replicas * x.size;
    const params = [size, x.shape[d]! * inner, total * inner, begin * inner];
    const source = { name: 'concat_part', code: concatPartCode };
    runKernel(x.device, source, params, [x, y], elementwiseWorkgroups(size), { bytes: 8 * size }); // reads x and writes as many bytes of y
    begin += x.shape[d]!;
  }
  return { y, begins, axis: d };
}
