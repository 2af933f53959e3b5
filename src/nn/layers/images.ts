import { ShapeError } from '../../errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';

/** Height, width and channels of a sample. @throws ShapeError for samples that are no images */
export function imageShape(layer: string, inputShape: Shape): [height: number, width: number, channels: number] {
  if (inputShape.length !== 3) {
    throw new ShapeError(
      `${layer}: needs samples of shape [height, width, channels], but gets ${showShape(inputShape)}`,
    );
  }
  return inputShape as [number, number, number];
}
