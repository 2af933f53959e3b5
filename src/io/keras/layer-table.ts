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
  as,
  dtype,
  ignored,
  initializer,
  none,
  noPenalty,
  type Options,
  only,
  type Rule,
  regularizer,
} from './options.ts';

/** A layer of Keras's, and what it is here. */
export interface TableEntry {
  /** By Keras's names. One that is missing is refused, unless it is null or false. */
  options: Readonly<Record<string, Rule>>;
  /** The layer, or several of which each is fed by the one before. @throws ArgumentError for impossible options */
  make: (options: Options) => Layer | Layer[];
}

/** What every layer of Keras may have. */
export const COMMON: TableEntry['options'] = {
  name: ignored, // it is the layer's place in the model that counts
  trainable: as('trainable'),
  dtype,
  // The shape of a model's input is read before.
  batch_input_shape: ignored,
  batch_shape: ignored,
  input_dim: ignored,
  activity_regularizer: noPenalty,
};

/** Channels come last everywhere here. */
const LAST = { data_format: only('channels_last') };

const KERNEL = {
  activation,
  use_bias: as('useBias'),
  bias_initializer: initializer('biasInitializer'),
  bias_regularizer: noPenalty,
  bias_constraint: none,
};

const padding: Rule = (value) =>
  value === 'valid' || value === 'same' ? { padding: value } : 'must be "valid" or "same"';

const WINDOW = {
  ...LAST,
  kernel_size: as('kernelSize'),
  strides: as('strides'),
  padding,
  dilation_rate: as('dilationRate'),
  groups: only(1),
  rank: ignored, // 2, as the name of the class says
};

const kernelOf = (name: string): TableEntry['options'] => ({
  [`${name}_initializer`]: initializer(`${name}Initializer`),
  [`${name}_regularizer`]: regularizer(`${name}Regularizer`),
  [`${name}_constraint`]: none,
});

/** Keras writes the axis of a batch normalization as a list, from TensorFlow 2.0 to 2.15. */
const axis: Rule = (value) => {
  const [one, ...others] = Array.isArray(value) ? value : [value];
  return others.length === 0 ? { axis: one } : 'must be one axis';
};

const byOptions = (Class: LayerClass, options: TableEntry['options'] = {}): TableEntry => ({
  options,
  make: (given) => new Class(given),
});

/** Of layers whose constructor takes something before the options, by its name. */
const byArgument = (
  Class: new (argument: never, options: Options) => Layer,
  argument: string,
  options: TableEntry['options'],
): TableEntry => ({
  options,
  make: ({ [argument]: first, ...others }) => new Class(first as never, others),
});

const POOLING = { ...LAST, pool_size: as('poolSize'), strides: as('strides'), padding };

/** Of random layers of images. */
const RANDOM = { ...LAST, seed: as('seed'), bounding_box_format: none };

const SAMPLING = {
  ...RANDOM,
  fill_mode: as('fillMode'),
  fill_value: as('fillValue'),
  interpolation: as('interpolation'),
};

const FACTORS = { height_factor: as('heightFactor'), width_factor: as('widthFactor') };

const flipMode: Rule = (value) => ({ mode: value === 'horizontal_and_vertical' ? 'horizontalAndVertical' : value });

/** Layers of Keras's by their class. */
export const LAYERS: Readonly<Record<string, TableEntry>> = {
  Activation: byArgument(Activation, 'activation', { activation }),
  Add: byOptions(Add),
  Average: byOptions(Average),
  AveragePooling2D: byOptions(AveragePooling2D, POOLING),
  BatchNormalization: byOptions(BatchNormalization, {
    axis,
    momentum: as('momentum'),
    epsilon: as('epsilon'),
    center: as('center'),
    scale: as('scale'),
    ...kernelOf('beta'),
    ...kernelOf('gamma'),
    moving_mean_initializer: initializer('movingMeanInitializer'),
    moving_variance_initializer: initializer('movingVarianceInitializer'),
    fused: ignored, // how TensorFlow computes it
    renorm: none,
    renorm_clipping: none,
    renorm_momentum: ignored, // of `renorm`
    virtual_batch_size: none,
    synchronized: none,
  }),
  Concatenate: byOptions(Concatenate, { axis: as('axis') }),
  Conv2D: byOptions(Conv2D, { ...WINDOW, ...KERNEL, ...kernelOf('kernel'), filters: as('filters') }),
  Dense: byOptions(Dense, { ...KERNEL, ...kernelOf('kernel'), units: as('units') }),
  DepthwiseConv2D: byOptions(DepthwiseConv2D, {
    ...WINDOW,
    ...KERNEL,
    ...kernelOf('depthwise'),
    depth_multiplier: as('depthMultiplier'),
    // Of Conv2D, which it is made of; it has no such kernel.
    filters: ignored,
    kernel_initializer: ignored,
    kernel_regularizer: ignored,
    kernel_constraint: ignored,
  }),
  Dropout: byArgument(Dropout, 'rate', { rate: as('rate'), noise_shape: none, seed: ignored }), // `fit` has a seed for all
  ELU: { options: { alpha: only(1) }, make: (options) => new Activation('elu', options) },
  Flatten: byOptions(Flatten, LAST),
  GlobalAveragePooling2D: {
    options: { ...LAST, keepdims: as('keepDims') },
    make({ keepDims, ...options }) {
      const pooled = new GlobalAveragePooling2D(options);
      return keepDims ? [pooled, new Reshape([1, 1, -1], { name: `${options.name}_keepdims` })] : pooled;
    },
  },
  LeakyReLU: byOptions(LeakyReLU, { alpha: as('negativeSlope'), negative_slope: as('negativeSlope') }),
  MaxPooling2D: byOptions(MaxPooling2D, POOLING),
  Maximum: byOptions(Maximum),
  Minimum: byOptions(Minimum),
  Multiply: byOptions(Multiply),
  Permute: byArgument(Permute, 'dims', { dims: as('dims') }),
  RandomContrast: byOptions(RandomContrast, { ...RANDOM, factor: as('factor'), value_range: as('valueRange') }),
  RandomCrop: byOptions(RandomCrop, { ...RANDOM, height: as('height'), width: as('width') }),
  RandomErasing: byOptions(RandomErasing, {
    ...RANDOM,
    factor: as('factor'),
    scale: as('scale'),
    fill_value: as('fillValue'),
    value_range: as('valueRange'),
  }),
  RandomFlip: byOptions(RandomFlip, { ...RANDOM, mode: flipMode }),
  RandomRotation: byOptions(RandomRotation, { ...SAMPLING, factor: as('factor') }),
  RandomTranslation: byOptions(RandomTranslation, { ...SAMPLING, ...FACTORS }),
  RandomZoom: byOptions(RandomZoom, { ...SAMPLING, ...FACTORS }),
  ReLU: byOptions(ReLU, { max_value: as('maxValue'), negative_slope: as('negativeSlope'), threshold: only(0) }),
  Rescaling: byOptions(Rescaling, { scale: as('scale'), offset: as('offset') }),
  Reshape: byArgument(Reshape, 'targetShape', { target_shape: as('targetShape') }),
  Resizing: byOptions(Resizing, {
    ...LAST,
    height: as('height'),
    width: as('width'),
    interpolation: as('interpolation'),
    crop_to_aspect_ratio: none,
    pad_to_aspect_ratio: none,
    // Of `pad_to_aspect_ratio`.
    fill_mode: ignored,
    fill_value: ignored,
    antialias: none,
  }),
  Softmax: { options: { axis: only(-1) }, make: (options) => new Activation('softmax', options) },
  Subtract: byOptions(Subtract),
  ZeroPadding2D: byOptions(ZeroPadding2D, { ...LAST, padding: as('padding') }),
};
