import { checkSurplus, formatValue, readList } from '../base/check.ts';
import { ArgumentError, ShapeError } from '../base/errors.ts';
import { sameShape, showShape } from '../kernels/array.ts';
import { input } from '../nn/graph/graph.ts';
import type { SymbolicTensor } from '../nn/layers/layer.ts';
import { Layer } from '../nn/layers/layer.ts';
import { Model } from './model.ts';

/** A stack of layers: the output of each layer is the input of the next. */
export class Sequential extends Model {
  protected static override readonly className = 'Sequential';
  override readonly kind = 'Sequential';

  /** @throws ArgumentError without layers or inputShape, or if a name is used twice; ShapeError if layers do not fit together */
  constructor(layers: readonly Layer[], name?: string, ...surplus: never[]) {
    checkSurplus('Sequential', surplus);
    super({ ...chain(layers), name });
  }
}

function chain(given: readonly Layer[]): { inputs: SymbolicTensor; outputs: SymbolicTensor } {
  const layers = readList('Sequential', given) as Layer[] | null;
  if (!layers || layers.length === 0) {
    throw new ArgumentError(
      `Sequential: takes a list of layers, at least one, but was given ${formatValue(given)}; there is no add(), so collect the layers ` +
        'first: new Sequential([new Dense({ units: 1, inputShape: [2] }), ...])',
    );
  }
  const invalid = layers.findIndex((layer) => !(layer instanceof Layer));
  if (invalid >= 0) {
    const hint = typeof layers[invalid] === 'function' ? ': make the layer with new' : '';
    throw new ArgumentError(
      `Sequential: takes a list of layers, but number ${invalid} of it is ${typeof layers[invalid] === 'function' ? 'a function or class' : formatValue(layers[invalid])}${hint}`,
    );
  }
  const first: Layer = layers[0]!;
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
