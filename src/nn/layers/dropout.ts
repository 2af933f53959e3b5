import { dropout, readDropoutRate } from '../../autograd/random/dropout.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkFirst } from '../../base/check.ts';
import type { Shape } from '../../kernels/array.ts';
import { type CallContext, Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

/**
 * In training, sets each value to 0 with probability `rate` and scales the others by 1 / (1 - rate). Otherwise, returns its input.
 *
 * The values dropped depend on the seed given to `fit`, the layer's index in the model and the number of the step.
 */
export class Dropout extends Layer {
  readonly kind = 'Dropout';
  /** Probability that a value is dropped; a list has one for each replica. */
  readonly rate: number | readonly number[];
  override readonly deterministic: boolean;

  /** @throws ArgumentError unless `rate` is a number in [0, 1), or a list of such numbers */
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
