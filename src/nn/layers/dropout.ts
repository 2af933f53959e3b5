import { dropout } from '../../autograd/dropout.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkF32, show } from '../../check.ts';
import { ArgumentError } from '../../errors.ts';
import type { Shape } from '../../kernels/array.ts';
import { type CallContext, checkLayerOptions, Layer, type LayerOptions, layerNames } from './layer.ts';

/**
 * Drops each value with probability `rate` in training and scales the others by 1 / (1 - rate); does nothing otherwise.
 * What is dropped follows from the seed given to `fit`, the layer's place in the model and the number of the step.
 */
export class Dropout extends Layer {
  readonly kind = 'Dropout';
  readonly rate: number;
  override readonly deterministic: boolean;

  /** @throws ArgumentError unless rate is a number from 0 up and below 1 */
  constructor(rate: number, options: LayerOptions = {}, ...surplus: never[]) {
    super(checkLayerOptions('Dropout', options, layerNames, surplus));
    if (typeof rate !== 'number' || !(rate >= 0 && rate < 1)) {
      throw new ArgumentError(`Dropout: rate must be a number from 0 up and below 1, but is ${show(rate)}`);
    }
    this.rate = checkF32('Dropout: rate', rate);
    this.deterministic = rate === 0;
  }

  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }

  override getConfig() {
    return { rate: this.rate, ...super.getConfig() };
  }

  call(x: Tensor, { training, random }: CallContext): Tensor {
    return training && this.rate > 0 ? dropout(x, { rate: this.rate, ...random }) : x;
  }
}
