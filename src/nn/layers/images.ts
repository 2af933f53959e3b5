import { ShapeError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape } from '../../kernels/array.ts';
import { slideWindow } from '../../kernels/window.ts';

/** Height, width and channels of a sample. @throws ShapeError unless samples have three axes */
export function imageShape(layer: string, inputShape: Shape): [height: number, width: number, channels: number] {
  if (inputShape.length !== 3) {
    throw new ShapeError(
      `${layer}: needs samples of shape [height, width, channels], but gets ${showShape(inputShape)}`,
    );
  }
  return inputShape as [number, number, number];
}

/** Zeros around images: [[top, bottom], [left, right]]. */
export type Paddings = readonly [readonly [number, number], readonly [number, number]];

/** Whether padding 'same' on images [N,H,W,C] equals those zeros around them followed by padding 'valid'. */
export function matchesSamePadding(
  [, h, w]: Shape,
  [[top, bottom], [left, right]]: Paddings,
  kernel: readonly [number, number],
  strides: readonly [number, number],
  dilation: readonly [number, number],
): boolean {
  const padded: [number, number] = [top + h! + bottom, left + w! + right];
  const valid = slideWindow('padding', padded, kernel, strides, dilation, 'valid', showShape(padded));
  const same = slideWindow('padding', [h!, w!], kernel, strides, dilation, 'same', showShape([h!, w!]));
  return sameShape(valid.size, same.size) && sameShape(same.pad, [top, left]);
}
