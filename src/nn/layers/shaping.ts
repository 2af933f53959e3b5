import { add, mul } from '../../autograd/pointwise/pointwise.ts';
import { resize } from '../../autograd/resize/resize.ts';
import { reshape } from '../../autograd/shape/reshape.ts';
import { pad, transpose } from '../../autograd/shape/shape.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkF32, checkFirst, formatValue, readList } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../../kernels/array.ts';
import { type FusionRole, fusionRole } from './fusion-role.ts';
import { imageShape } from './images.ts';
import { Layer } from './layer.ts';
import { checkLayerOptions, checkPositiveInteger, type LayerOptions, layerOptionNames } from './options.ts';

/** Zeros before and after rows and columns: n, [rows, columns] or [[top, bottom], [left, right]]. */
export type Padding2D =
  | number
  | readonly [number, number]
  | readonly [readonly [number, number], readonly [number, number]];

/** Zeros around each image: samples [H,W,C] -> [top+H+bottom, left+W+right, C]. */
export class ZeroPadding2D extends Layer {
  readonly kind = 'ZeroPadding2D';
  override readonly deterministic = true;
  /** [[top, bottom], [left, right]]. */
  readonly paddings: readonly [readonly [number, number], readonly [number, number]];

  /**
   * @param options.padding zeros before and after rows and columns; default 1
   * @throws ArgumentError unless `padding` has one of the forms of `Padding2D`, with integers from 0 up
   */
  constructor(options: LayerOptions & { padding?: Padding2D } = {}, ...surplus: never[]) {
    super(checkLayerOptions('ZeroPadding2D', options, { ...layerOptionNames, padding: true }, surplus));
    const { padding = 1 } = options;
    const both = (n: number | readonly [number, number]) => (readList('ZeroPadding2D', n) ?? [n, n]) as number[];
    const paddings = both(padding as number).map((n) => both(n as number));
    const counts = paddings.flat();
    if (paddings.length !== 2 || counts.length !== 4 || !counts.every((n) => Number.isInteger(n) && n >= 0)) {
      throw new ArgumentError(
        `ZeroPadding2D: padding must be n, [rows, columns] or [[top, bottom], [left, right]], but is ${formatValue(padding)}`,
      );
    }
    this.paddings = paddings as unknown as typeof this.paddings;
  }

  get [fusionRole](): FusionRole {
    return { role: 'padding', Class: ZeroPadding2D };
  }

  plan(inputShape: Shape) {
    const [h, w, channels] = imageShape(this.kind, inputShape);
    const [[top, bottom], [left, right]] = this.paddings;
    return { outputShape: [top + h + bottom, left + w + right, channels], weights: [] };
  }

  call(x: Tensor): Tensor {
    return pad(x, [[0, 0], ...this.paddings, [0, 0]]);
  }
}

/** Resizes each image: samples [H,W,C] -> [height,width,C]. Samples at pixel centers without antialiasing, as in Keras. */
export class Resizing extends Layer {
  readonly kind = 'Resizing';
  override readonly deterministic = true;
  private readonly size: [number, number];
  private readonly interpolation: 'bilinear' | 'nearest';

  /** @throws ArgumentError for impossible options */
  constructor(
    options: LayerOptions & {
      /** Rows of the result. */
      height: number;
      /** Columns of the result. */
      width: number;
      /** Default bilinear. */
      interpolation?: 'bilinear' | 'nearest';
    },
    ...surplus: never[]
  ) {
    super(
      checkLayerOptions(
        'Resizing',
        options,
        { ...layerOptionNames, height: true, width: true, interpolation: true },
        surplus,
      ),
    );
    this.size = [
      checkPositiveInteger(this.kind, 'height', options.height),
      checkPositiveInteger(this.kind, 'width', options.width),
    ];
    this.interpolation = options.interpolation ?? 'bilinear';
    if (this.interpolation !== 'bilinear' && this.interpolation !== 'nearest') {
      throw new ArgumentError(
        `Resizing: interpolation must be bilinear or nearest, but is ${formatValue(options.interpolation)}`,
      );
    }
  }

  plan(inputShape: Shape) {
    return { outputShape: [...this.size, imageShape(this.kind, inputShape)[2]], weights: [] };
  }

  call(x: Tensor): Tensor {
    return resize(x, this.size, { method: this.interpolation });
  }
}

/** x scale + offset: `new Rescaling({ scale: 2, offset: -1 })` maps pixels of 0..1 to -1..1. */
export class Rescaling extends Layer {
  readonly kind = 'Rescaling';
  override readonly deterministic = true;
  private readonly scale: number;
  private readonly offset: number;

  /**
   * @param options.scale factor on each value
   * @param options.offset added after the multiplication; default 0
   * @throws ArgumentError unless both are numbers
   */
  constructor(options: LayerOptions & { scale: number; offset?: number }, ...surplus: never[]) {
    super(checkLayerOptions('Rescaling', options, { ...layerOptionNames, scale: true, offset: true }, surplus));
    this.scale = options.scale;
    this.offset = options.offset ?? 0;
    for (const option of ['scale', 'offset'] as const) {
      if (!Number.isFinite(this[option])) {
        throw new ArgumentError(`Rescaling: ${option} must be a number, but is ${formatValue(this[option])}`);
      }
      checkF32(`Rescaling: ${option}`, this[option]);
    }
  }

  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }

  call(x: Tensor): Tensor {
    const y = this.scale === 1 ? x : mul(x, this.scale);
    return this.offset === 0 ? y : add(y, this.offset);
  }
}

/** Gives each sample another shape with the same elements; one size may be -1 and is computed from the others. */
export class Reshape extends Layer {
  readonly kind = 'Reshape';
  override readonly deterministic = true;

  /** @param targetShape shape of one sample. @throws ArgumentError unless it is a list of positive integers, of which one may be -1 */
  constructor(
    private readonly targetShape: Shape,
    options: LayerOptions = {},
    ...surplus: never[]
  ) {
    super(checkLayerOptions('Reshape', options, layerOptionNames, surplus));
    checkFirst('Reshape', 'shape of one sample comes', targetShape, 'new Reshape([28, 28, 1], { inputShape })');
    const sizes = readList('Reshape', targetShape) as number[] | null;
    const legal = sizes?.every((n) => n === -1 || (Number.isInteger(n) && n > 0));
    if (!legal || targetShape.filter((n) => n === -1).length > 1) {
      throw new ArgumentError(
        `Reshape: takes the shape of one sample, in which one size may be -1, but was given ${formatValue(targetShape)}`,
      );
    }
  }

  plan(inputShape: Shape) {
    const size = sizeOf(inputShape);
    const rest = size / Math.abs(sizeOf(this.targetShape));
    const outputShape = this.targetShape.map((n) => (n === -1 ? rest : n));
    if (sizeOf(outputShape) !== size || !outputShape.every(Number.isInteger)) {
      throw new ShapeError(
        `Reshape: samples of ${showShape(inputShape)} have ${size} elements, which do not fit into ${showShape(this.targetShape)}`,
      );
    }
    return { outputShape, weights: [] };
  }

  override getConfig() {
    return { targetShape: [...this.targetShape], ...super.getConfig() };
  }

  call(x: Tensor): Tensor {
    return reshape(x, [x.shape[0]!, ...this.plan(x.shape.slice(1)).outputShape]);
  }
}

/** Permutes the axes of each sample, counted from 1 (0 is the batch), as in Keras: [2, 1] swaps two axes. */
export class Permute extends Layer {
  readonly kind = 'Permute';
  override readonly deterministic = true;

  /** @throws ArgumentError unless `dims` names each axis of a sample once */
  constructor(
    private readonly dims: readonly number[],
    options: LayerOptions = {},
    ...surplus: never[]
  ) {
    super(checkLayerOptions('Permute', options, layerOptionNames, surplus));
    checkFirst('Permute', 'axes come', dims, 'new Permute([2, 1], { inputShape })');
    const axes = readList('Permute', dims) ?? [];
    if (axes.length === 0 || !axes.every((_, i) => axes.includes(i + 1))) {
      throw new ArgumentError(`Permute: dims must name each axis from 1 on once, but is ${formatValue(dims)}`);
    }
  }

  plan(inputShape: Shape) {
    if (inputShape.length !== this.dims.length) {
      throw new ShapeError(
        `Permute: dims ${showShape(this.dims)} are for samples of ${this.dims.length} axes, but gets ${showShape(inputShape)}`,
      );
    }
    return { outputShape: this.dims.map((axis) => inputShape[axis - 1]!), weights: [] };
  }

  override getConfig() {
    return { dims: [...this.dims], ...super.getConfig() };
  }

  call(x: Tensor): Tensor {
    return transpose(x, [0, ...this.dims]);
  }
}
