export type { Seeds } from '../base/random.ts';
export { input } from './graph/graph.ts';
export type { LayerDescription } from './graph/graph-config.ts';
/**
 * Initial values of weights: `new Dense({ units: 10, kernelInitializer: initializers.randomNormal({ stddev: 0.01 }) })`.
 * @category Weights
 */
export * as initializers from './initializers/initializers.ts';
export { glorotUniform, type Initializer, type InitializerName, zeros } from './initializers/initializers.ts';
export { Activation, type ActivationName, LeakyReLU, ReLU } from './layers/activation.ts';
export { BatchNormalization, type BatchNormalizationOptions } from './layers/batch-normalization.ts';
export type { LayerConfig } from './layers/config.ts';
export { Conv2D, type Conv2DOptions } from './layers/conv2d.ts';
export { Dense, type DenseOptions } from './layers/dense.ts';
export { DepthwiseConv2D, type DepthwiseConv2DOptions } from './layers/depthwise.ts';
export { Dropout } from './layers/dropout.ts';
export { Flatten } from './layers/flatten.ts';
export { Lambda, type LambdaOptions } from './layers/lambda.ts';
export {
  type CallContext,
  type CallOptions,
  Layer,
  type PlannedLayer,
  SymbolicTensor,
  type Use,
} from './layers/layer.ts';
export { Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract } from './layers/merge.ts';
export type { LayerOptions } from './layers/options.ts';
export {
  AveragePooling2D,
  type AveragePooling2DOptions,
  GlobalAveragePooling2D,
  MaxPooling2D,
  type MaxPooling2DOptions,
} from './layers/pooling.ts';
export {
  type FlipMode,
  RandomFlip,
  type RandomFlipOptions,
  RandomRotation,
  type RandomRotationOptions,
  RandomTranslation,
  type RandomTranslationOptions,
  RandomZoom,
  type RandomZoomOptions,
} from './layers/random-affine.ts';
export { RandomCrop, type RandomCropOptions } from './layers/random-crop.ts';
export type { Factor } from './layers/random-image.ts';
export {
  RandomContrast,
  type RandomContrastOptions,
  RandomErasing,
  type RandomErasingOptions,
} from './layers/random-pixels.ts';
export { type Padding2D, Permute, Rescaling, Reshape, Resizing, ZeroPadding2D } from './layers/shaping.ts';
export {
  BinaryCrossentropy,
  CategoricalCrossentropy,
  CustomLoss,
  Huber,
  type Loss,
  type LossContext,
  type LossInput,
  type LossName,
  MeanAbsoluteError,
  MeanSquaredError,
  SparseCategoricalCrossentropy,
} from './losses.ts';
export {
  Adam,
  type AdamOptions,
  AdamW,
  type AdamWOptions,
  type ClipOptions,
  type Optimizer,
  type OptimizerName,
  type OptimizerOptions,
  RMSprop,
  type RMSpropOptions,
  SGD,
  type SGDOptions,
} from './optimizers/index.ts';
export type { Rate, Schedule } from './optimizers/schedules.ts';
/**
 * Learning rates that depend on the step: `new Adam({ learningRate: schedules.cosineDecay({ initialLearningRate: 0.01, decaySteps: 1000 }) })`.
 * @category Optimizers
 */
export * as schedules from './optimizers/schedules.ts';
export type { Regularizer, RegularizerName } from './regularizers.ts';
/**
 * Penalties on weights, added to the loss and to its gradient: `new Dense({ units: 10, kernelRegularizer: regularizers.l2(1e-4) })`.
 * @category Weights
 */
export * as regularizers from './regularizers.ts';
export type { InitialWeightsOptions } from './weights/initial-weights.ts';
export type { Weight, WeightSpec } from './weights/weight.ts';
export { WeightCopy } from './weights/weight-copy.ts';
