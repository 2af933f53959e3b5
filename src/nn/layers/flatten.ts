import { reshape } from '../../autograd/shape/reshape.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { type Shape, sizeOf } from '../../kernels/array.ts';
import { Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

/** Flattens each sample: [...] -> [product of the sizes]. Copies nothing. */
export class Flatten extends Layer {
  readonly kind = 'Flatten';
  override readonly deterministic = true;

  /** @throws ArgumentError for an unknown option */
  constructor(options: LayerOptions = {}, ...surplus: never[]) {
    super(checkLayerOptions('Flatten', options, layerOptionNames, surplus));
  }

  plan(inputShape: Shape) {
    return { outputShape: [sizeOf(inputShape)], weights: [] };
  }

  call(x: Tensor): Tensor {
    return reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]);
  }
}
