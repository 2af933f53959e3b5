import {
  Activation,
  Add,
  Average,
  AveragePooling2D,
  BatchNormalization,
  Concatenate,
  Conv2D,
  Dense,
  DepthwiseConv2D,
  Dropout,
  Flatten,
  GlobalAveragePooling2D,
  type Layer,
  LeakyReLU,
  Maximum,
  MaxPooling2D,
  Minimum,
  Multiply,
  Permute,
  RandomContrast,
  RandomCrop,
  RandomErasing,
  RandomFlip,
  RandomRotation,
  RandomTranslation,
  RandomZoom,
  ReLU,
  Rescaling,
  Reshape,
  Resizing,
  Subtract,
  ZeroPadding2D,
} from '../../nn/index.ts';
import type { LayerClass } from '../../training/index.ts';
import {
  activation,
  dtype,
  ignored,
  initializer,
  mustBe,
  mustBeAbsent,
  noPenalty,
  type Options,
  passAs,
  type Rule,
  regularizer,
} from './options.ts';

/** How a layer of Keras becomes a layer of tilegrad. */
export interface TableEntry {
  /** Rules by Keras's names of the options. An option without a rule is refused, unless it is null or false. */
  options: Readonly<Record<string, Rule>>;
  /** Creates the layer, or several that follow each other. @throws ArgumentError for impossible options */
  make: (options: Options) => Layer | Layer[];
}

/** Options that every layer of Keras may have. */
export const COMMON: TableEntry['options'] = {
  name: ignored, // `LayerFactory.create` passes the name
  trainable: passAs('trainable'),
  dtype,
  // `readModelConfig` reads the shape of a model's input.
  batch_input_shape: ignored,
  batch_shape: ignored,
  input_dim: ignored,
  activity_regularizer: noPenalty,
};

/** Channels come last everywhere here. */
const LAST = { data_format: mustBe('channels_last') };

const KERNEL = {
  activation,
  use_bias: passAs('useBias'),
  bias_initializer: initializer('biasInitializer'),
  bias_regularizer: noPenalty,
  bias_constraint: mustBeAbsent,
};

const padding: Rule = (value) =>
  value === 'valid' || value === 'same' ? { padding: value } : 'must be "valid" or "same"';

const WINDOW = {
  ...LAST,
  kernel_size: passAs('kernelSize'),
  strides: passAs('strides'),
  padding,
  dilation_rate: passAs('dilationRate'),
  groups: mustBe(1),
  rank: ignored, // 2, as the name of the class says
};

const kernelOf = (name: string): TableEntry['options'] => ({
  [`${name}_initializer`]: initializer(`${name}Initializer`),
  [`${name}_regularizer`]: regularizer(`${name}Regularizer`),
  [`${name}_constraint`]: mustBeAbsent,
});

/** Keras writes the axis of a batch normalization as a list, from TensorFlow 2.0 to 2.15. */
const axis: Rule = (value) => {
  const [first, ...others] = Array.isArray(value) ? value : [value];
  return others.length === 0 ? { axis: first } : 'must be one axis';
};

const byOptions = (Class: LayerClass, options: TableEntry['options'] = {}): TableEntry => ({
  options,
  make: (given) => new Class(given),
});

/** For layers whose constructor takes an argument before the options: the option `argument`. */
const byArgument = (
  Class: new (argument: never, options: Options) => Layer,
  argument: string,
  options: TableEntry['options'],
): TableEntry => ({
  options,
  make: ({ [argument]: first, ...others }) => new Class(first as never, others),
});

const POOLING = { ...LAST, pool_size: passAs('poolSize'), strides: passAs('strides'), padding };

/** Options of random layers of images. */
const RANDOM = { ...LAST, seed: passAs('seed'), bounding_box_format: mustBeAbsent };

const SAMPLING = {
  ...RANDOM,
  fill_mode: passAs('fillMode'),
  fill_value: passAs('fillValue'),
  interpolation: passAs('interpolation'),
};

const FACTORS = { height_factor: passAs('heightFactor'), width_factor: passAs('widthFactor') };

const flipMode: Rule = (value) => ({ mode: value === 'horizontal_and_vertical' ? 'horizontalAndVertical' : value });

/** Layers of Keras by class name. */
export const LAYERS: Readonly<Record<string, TableEntry>> = {
  Activation: byArgument(Activation, 'activation', { activation }),
  Add: byOptions(Add),
  Average: byOptions(Average),
  AveragePooling2D: byOptions(AveragePooling2D, POOLING),
  BatchNormalization: byOptions(BatchNormalization, {
    axis,
    momentum: passAs('momentum'),
    epsilon: passAs('epsilon'),
    center: passAs('center'),
    scale: passAs('scale'),
    ...kernelOf('beta'),
    ...kernelOf('gamma'),
    moving_mean_initializer: initializer('movingMeanInitializer'),
    moving_variance_initializer: initializer('movingVarianceInitializer'),
    fused: ignored, // selects an implementation of TensorFlow
    renorm: mustBeAbsent,
    renorm_clipping: mustBeAbsent,
    renorm_momentum: ignored, // an option of `renorm`
    virtual_batch_size: mustBeAbsent,
    synchronized: mustBeAbsent,
  }),
  Concatenate: byOptions(Concatenate, { axis: passAs('axis') }),
  Conv2D: byOptions(Conv2D, { ...WINDOW, ...KERNEL, ...kernelOf('kernel'), filters: passAs('filters') }),
  Dense: byOptions(Dense, { ...KERNEL, ...kernelOf('kernel'), units: passAs('units') }),
  DepthwiseConv2D: byOptions(DepthwiseConv2D, {
    ...WINDOW,
    ...KERNEL,
    ...kernelOf('depthwise'),
    depth_multiplier: passAs('depthMultiplier'),
    // Inherited from Conv2D; the layer has no such kernel.
    filters: ignored,
    kernel_initializer: ignored,
    kernel_regularizer: ignored,
    kernel_constraint: ignored,
  }),
  Dropout: byArgument(Dropout, 'rate', { rate: passAs('rate'), noise_shape: mustBeAbsent, seed: ignored }), // `fit` has one seed for all layers
  ELU: { options: { alpha: mustBe(1) }, make: (options) => new Activation('elu', options) },
  Flatten: byOptions(Flatten, LAST),
  GlobalAveragePooling2D: {
    options: { ...LAST, keepdims: passAs('keepDims') },
    make({ keepDims, ...options }) {
      const pooled = new GlobalAveragePooling2D(options);
      return keepDims ? [pooled, new Reshape([1, 1, -1], { name: `${options.name}_keepdims` })] : pooled;
    },
  },
  LeakyReLU: byOptions(LeakyReLU, { alpha: passAs('negativeSlope'), negative_slope: passAs('negativeSlope') }),
  MaxPooling2D: byOptions(MaxPooling2D, POOLING),
  Maximum: byOptions(Maximum),
  Minimum: byOptions(Minimum),
  Multiply: byOptions(Multiply),
  Permute: byArgument(Permute, 'dims', { dims: passAs('dims') }),
  RandomContrast: byOptions(RandomContrast, { ...RANDOM, factor: passAs('factor'), value_range: passAs('valueRange') }),
  RandomCrop: byOptions(RandomCrop, { ...RANDOM, height: passAs('height'), width: passAs('width') }),
  RandomErasing: byOptions(RandomErasing, {
    ...RANDOM,
    factor: passAs('factor'),
    scale: passAs('scale'),
    fill_value: passAs('fillValue'),
    value_range: passAs('valueRange'),
  }),
  RandomFlip: byOptions(RandomFlip, { ...RANDOM, mode: flipMode }),
  RandomRotation: byOptions(RandomRotation, { ...SAMPLING, factor: passAs('factor') }),
  RandomTranslation: byOptions(RandomTranslation, { ...SAMPLING, ...FACTORS }),
  RandomZoom: byOptions(RandomZoom, { ...SAMPLING, ...FACTORS }),
  ReLU: byOptions(ReLU, {
    max_value: passAs('maxValue'),
    negative_slope: passAs('negativeSlope'),
    threshold: mustBe(0),
  }),
  Rescaling: byOptions(Rescaling, { scale: passAs('scale'), offset: passAs('offset') }),
  Reshape: byArgument(Reshape, 'targetShape', { target_shape: passAs('targetShape') }),
  Resizing: byOptions(Resizing, {
    ...LAST,
    height: passAs('height'),
    width: passAs('width'),
    interpolation: passAs('interpolation'),
    crop_to_aspect_ratio: mustBeAbsent,
    pad_to_aspect_ratio: mustBeAbsent,
    // Options of `pad_to_aspect_ratio`.
    fill_mode: ignored,
    fill_value: ignored,
    antialias: mustBeAbsent,
  }),
  Softmax: { options: { axis: mustBe(-1) }, make: (options) => new Activation('softmax', options) },
  Subtract: byOptions(Subtract),
  ZeroPadding2D: byOptions(ZeroPadding2D, { ...LAST, padding: passAs('padding') }),
};
