import { dropout, readDropoutRate } from '../../autograd/random/dropout.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkFirst } from '../../base/check.ts';
import type { Shape } from '../../kernels/array.ts';
import { type CallContext, Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

/**
 * Drops each value with probability `rate` in training and scales the others by 1 / (1 - rate); does nothing otherwise.
 * What is dropped follows from the seed given to `fit`, the layer's place in the model and the number of the step. A list has a rate
 * for each replica of the model.
 */
export class Dropout extends Layer {
  readonly kind = 'Dropout';
  /** Probability of each value to be dropped; a list has one for each replica. */
  readonly rate: number | readonly number[];
  override readonly deterministic: boolean;

  /** @throws ArgumentError unless rate is a number from 0 up and below 1, or a list of them */
  constructor(rate: number | readonly number[], options: LayerOptions = {}, ...surplus: never[]) {
    super(checkLayerOptions('Dropout', options, layerOptionNames, surplus));
    checkFirst('Dropout', 'rate comes', rate, 'new Dropout(0.5, { inputShape })');
    this.rate = readDropoutRate('Dropout', rate);
    this.deterministic = [this.rate].flat().every((one) => one === 0);
  }

  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }

  override getConfig() {
    return { rate: this.rate, ...super.getConfig() };
  }

  call(x: Tensor, { training, random }: CallContext): Tensor {
    return training && !this.deterministic ? dropout(x, { rate: this.rate, ...random }) : x;
  }
}
