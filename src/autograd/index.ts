export { conv2d } from './conv2d/conv2d.ts';
export { depthwiseConv2d } from './depthwise/depthwise.ts';
export { gather, oneHot } from './gather/gather.ts';
export type { Numbers, ShapedNumbers } from './host-data.ts';
export {
  binaryCrossentropy,
  type CrossentropyOptions,
  categoricalCrossentropy,
  huber,
  meanAbsoluteError,
  meanSquaredError,
  sparseCategoricalCrossentropy,
} from './losses/losses.ts';
export { biasAdd, linear, matmul } from './matmul/matmul.ts';
export { type BatchNormOptions, batchNorm, batchNormInference } from './norm/batch-norm.ts';
export { type OperatorName, operators } from './operators.ts';
export { cast } from './pointwise/cast.ts';
export {
  abs,
  add,
  clip,
  div,
  elu,
  equal,
  exp,
  gelu,
  greater,
  greaterEqual,
  isNan,
  leakyRelu,
  less,
  lessEqual,
  log,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  type Operand,
  pow,
  reciprocal,
  relu,
  relu6,
  rsqrt,
  sigmoid,
  sign,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from './pointwise/pointwise.ts';
export { avgPool2d, globalAveragePool2d, maxPool2d } from './pool/pooling.ts';
export { type DropoutOptions, dropout } from './random/dropout.ts';
export { argmax, argmin, max, mean, min, type ReduceOptions, sum, variance } from './reduce/reduce.ts';
export { resize } from './resize/resize.ts';
export { concat, split, stack } from './shape/concat.ts';
export { reshape } from './shape/reshape.ts';
export { expandDims, pad, slice, squeeze, transpose } from './shape/shape.ts';
export {
  logSoftmax,
  type SoftmaxOptions,
  softmax,
  softmaxCrossEntropy,
  softmaxCrossEntropyWithHits,
} from './softmax/softmax.ts';
export { noGrad } from './tape.ts';
export { type HostArray, type HostData, scope, Tensor, tensor } from './tensor.ts';
