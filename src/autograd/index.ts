export { type BatchNormOptions, batchNorm, batchNormInference } from './batch-norm.ts';
export { cast } from './cast.ts';
export { concat, split, stack } from './concat.ts';
export { conv2d } from './conv2d.ts';
export { depthwiseConv2d } from './depthwise.ts';
export { type DropoutOptions, dropout } from './dropout.ts';
export { gather, oneHot } from './gather.ts';
export type { Numbers, ShapedNumbers } from './host-data.ts';
export { biasAdd, linear, matmul } from './linear.ts';
export {
  binaryCrossentropy,
  type CrossentropyOptions,
  categoricalCrossentropy,
  huber,
  meanAbsoluteError,
  meanSquaredError,
  sparseCategoricalCrossentropy,
} from './losses.ts';
export { type OperatorName, operators } from './operators.ts';
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
} from './pointwise.ts';
export { avgPool2d, globalAveragePool2d, maxPool2d } from './pooling.ts';
export { argmax, argmin, max, mean, min, type ReduceOptions, sum, variance } from './reduce.ts';
export { reshape } from './reshape.ts';
export { resize } from './resize.ts';
export { expandDims, pad, slice, squeeze, transpose } from './shape.ts';
export {
  logSoftmax,
  type SoftmaxOptions,
  softmax,
  softmaxCrossEntropy,
  softmaxCrossEntropyWithHits,
} from './softmax.ts';
export { noGrad } from './tape.ts';
export { type HostArray, type HostData, scope, Tensor, tensor } from './tensor.ts';
