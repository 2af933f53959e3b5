import { batchNorm, batchNormInference } from './batch-norm.ts';
import { conv2d } from './conv2d.ts';
import { depthwiseConv2d } from './depthwise.ts';
import { biasAdd, linear, matmul } from './linear.ts';
import { add, relu } from './pointwise.ts';
import { avgPool2d, globalAveragePool2d, maxPool2d } from './pooling.ts';
import { max, mean, min, sum, variance } from './reduce.ts';
import { reshape } from './reshape.ts';
import { logSoftmax, softmax, softmaxCrossEntropy } from './softmax.ts';

/**
 * Every differentiable operator by name. The tests' float64 references are typed by these names, so an operator without
 * a reference and a gradient check does not compile.
 */
export const operators = {
  add,
  biasAdd,
  batchNorm,
  batchNormInference,
  conv2d,
  depthwiseConv2d,
  linear,
  logSoftmax,
  matmul,
  max,
  maxPool2d,
  avgPool2d,
  globalAveragePool2d,
  mean,
  min,
  relu,
  reshape,
  softmax,
  softmaxCrossEntropy,
  sum,
  variance,
} as const;

export type OperatorName = keyof typeof operators;
