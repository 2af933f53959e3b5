import { listOf, show } from '../check.ts';
import { ArgumentError, ShapeError } from '../errors.ts';
import { sameShape, showShape } from '../kernels/array.ts';
import { input, type SymbolicTensor } from './graph.ts';
import { Layer } from './layers/layer.ts';
import { Model } from './model.ts';

/** A stack of layers, each fed by the one before. */
export class Sequential extends Model {
  override readonly kind = 'Sequential';

  /** @throws ArgumentError without layers, inputShape or with a name used twice; ShapeError when layers do not fit together */
  constructor(layers: readonly Layer[], name?: string) {
    super({ ...chain(layers), name });
  }
}

function chain(layers: readonly Layer[]): { inputs: SymbolicTensor; outputs: SymbolicTensor } {
  if (!listOf('Sequential', layers)?.every((layer) => layer instanceof Layer)) {
    throw new ArgumentError(`Sequential: takes a list of layers, but was given ${show(layers)}`);
  }
  const first = layers[0];
  if (!first) throw new ArgumentError('Sequential: a model needs at least one layer');
  if (!Array.isArray(first.inputShape) || !first.inputShape.every((n) => Number.isInteger(n) && n > 0)) {
    throw new ArgumentError(
      `Sequential: the first layer (${first.kind}) needs inputShape, the shape of one sample such as [32, 32, 3]`,
    );
  }
  const inputs = input(first.inputShape);
  const outputs = layers.reduce((x, layer) => {
    if (layer.inputShape && !sameShape(layer.inputShape, x.shape)) {
      const name = layer.named ? `${layer.kind} ${layer.name}` : layer.kind;
      throw new ShapeError(
        `Sequential: ${name} declares inputShape ${showShape(layer.inputShape)}, but gets ${showShape(x.shape)}`,
      );
    }
    return layer.apply(x);
  }, inputs);
  return { inputs, outputs };
}
