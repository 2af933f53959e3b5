import { reshape } from '../../autograd/reshape.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { type Shape, sizeOf } from '../../kernels/array.ts';
import { Layer } from './layer.ts';

/** Samples of any shape as one row each: [...] -> [product]. No copy. */
export class Flatten extends Layer {
  readonly kind = 'Flatten';

  plan(inputShape: Shape) {
    return { outputShape: [sizeOf(inputShape)], weights: [] };
  }

  call(x: Tensor): Tensor {
    return reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]);
  }
}
