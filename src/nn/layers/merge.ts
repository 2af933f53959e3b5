import { add, div, maximum, minimum, mul, sub } from '../../autograd/pointwise/pointwise.ts';
import { concat } from '../../autograd/shape/concat.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { formatValue } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape } from '../../kernels/array.ts';
import { Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

/** A layer that combines several tensors into one: `new Add().apply([x, y])`. */
abstract class Merge extends Layer {
  override readonly deterministic = true;

  /** @internal */
  plan(inputShape: Shape) {
    return this.planMany([inputShape]);
  }

  /** @internal */
  override planMany(inputShapes: readonly Shape[]) {
    if (inputShapes.length < 2) {
      throw new ArgumentError(`${this.kind}: takes two inputs or more, but gets ${inputShapes.map(showShape).join()}`);
    }
    return { outputShape: this.mergeShapes(inputShapes), weights: [] };
  }

  call(x: Tensor): Tensor {
    return this.callMany([x]);
  }

  abstract override callMany(inputs: readonly Tensor[]): Tensor;

  /** Shape of the result; by default all inputs must have it. @throws ShapeError */
  protected mergeShapes(shapes: readonly Shape[]): Shape {
    const first = shapes[0]!;
    if (shapes.every((shape) => sameShape(shape, first))) return first;
    throw new ShapeError(
      `${this.kind}: the inputs must have the same shape, but have ${shapes.map(showShape).join(', ')}`,
    );
  }
}

/** An element-by-element merge. */
abstract class Elementwise extends Merge {
  /** @throws ArgumentError for an unknown option */
  constructor(kind: string, options: LayerOptions, surplus: readonly unknown[]) {
    super(checkLayerOptions(kind, options, layerOptionNames, surplus));
  }
}

/** The sum of its inputs, as for a residual connection. */
export class Add extends Elementwise {
  readonly kind = 'Add';

  /** @throws ArgumentError for an unknown option */
  constructor(options: LayerOptions = {}, ...surplus: never[]) {
    super('Add', options, surplus);
  }

  callMany(inputs: readonly Tensor[]): Tensor {
    return inputs.reduce((sum, x) => add(sum, x));
  }
}

/** The first input minus the second. */
export class Subtract extends Elementwise {
  readonly kind = 'Subtract';

  /** @throws ArgumentError for an unknown option */
  constructor(options: LayerOptions = {}, ...surplus: never[]) {
    super('Subtract', options, surplus);
  }

  protected override mergeShapes(shapes: readonly Shape[]): Shape {
    if (shapes.length > 2) throw new ArgumentError(`Subtract: takes two inputs, but gets ${shapes.length}`);
    return super.mergeShapes(shapes);
  }

  callMany([a, b]: readonly Tensor[]): Tensor {
    return sub(a!, b!);
  }
}

/** The product of its inputs, element by element. */
export class Multiply extends Elementwise {
  readonly kind = 'Multiply';

  /** @throws ArgumentError for an unknown option */
  constructor(options: LayerOptions = {}, ...surplus: never[]) {
    super('Multiply', options, surplus);
  }

  callMany(inputs: readonly Tensor[]): Tensor {
    return inputs.reduce((product, x) => mul(product, x));
  }
}

/** The mean of its inputs, element by element. */
export class Average extends Elementwise {
  readonly kind = 'Average';

  /** @throws ArgumentError for an unknown option */
  constructor(options: LayerOptions = {}, ...surplus: never[]) {
    super('Average', options, surplus);
  }

  callMany(inputs: readonly Tensor[]): Tensor {
    return div(
      inputs.reduce((sum, x) => add(sum, x)),
      inputs.length,
    );
  }
}

/** The largest of its inputs, element by element. */
export class Maximum extends Elementwise {
  readonly kind = 'Maximum';

  /** @throws ArgumentError for an unknown option */
  constructor(options: LayerOptions = {}, ...surplus: never[]) {
    super('Maximum', options, surplus);
  }

  callMany(inputs: readonly Tensor[]): Tensor {
    return inputs.reduce((largest, x) => maximum(largest, x));
  }
}

/** The smallest of its inputs, element by element. */
export class Minimum extends Elementwise {
  readonly kind = 'Minimum';

  /** @throws ArgumentError for an unknown option */
  constructor(options: LayerOptions = {}, ...surplus: never[]) {
    super('Minimum', options, surplus);
  }

  callMany(inputs: readonly Tensor[]): Tensor {
    return inputs.reduce((smallest, x) => minimum(smallest, x));
  }
}

/** Concatenates its inputs along an axis, by default the last (the channels). */
export class Concatenate extends Merge {
  readonly kind = 'Concatenate';
  private readonly axis: number;

  /** @param options.axis counts the batch as axis 0, as in Keras; negative values count from the end. @throws ArgumentError */
  constructor(options: LayerOptions & { axis?: number } = {}, ...surplus: never[]) {
    super(checkLayerOptions('Concatenate', options, { ...layerOptionNames, axis: true }, surplus));
    this.axis = options.axis ?? -1;
    if (!Number.isInteger(this.axis) || this.axis === 0) {
      throw new ArgumentError(
        `Concatenate: axis must be an integer other than 0 (the batch), but is ${formatValue(this.axis)}`,
      );
    }
  }

  protected override mergeShapes(shapes: readonly Shape[]): Shape {
    const first = shapes[0]!;
    const axis = this.axis < 0 ? this.axis + first.length : this.axis - 1;
    const fits = (shape: Shape) => shape.length === first.length && shape.every((n, d) => d === axis || n === first[d]);
    if (axis < 0 || axis >= first.length || !shapes.every(fits)) {
      throw new ShapeError(
        `Concatenate: samples of ${shapes.map(showShape).join(', ')} must differ only along axis ${this.axis} (the batch is axis 0)`,
      );
    }
    return first.with(
      axis,
      shapes.reduce((sum, shape) => sum + shape[axis]!, 0),
    );
  }

  callMany(inputs: readonly Tensor[]): Tensor {
    return concat(inputs, this.axis);
  }
}
