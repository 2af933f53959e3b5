import { batchNorm, batchNormInference } from './batch-norm.ts';
import { concat, stack } from './concat.ts';
import { conv2d } from './conv2d.ts';
import { depthwiseConv2d } from './depthwise.ts';
import { dropout } from './dropout.ts';
import { gather } from './gather.ts';
import { biasAdd, linear, matmul } from './linear.ts';
import { add, relu } from './pointwise.ts';
import { avgPool2d, globalAveragePool2d, maxPool2d } from './pooling.ts';
import { max, mean, min, sum, variance } from './reduce.ts';
import { reshape } from './reshape.ts';
import { resize } from './resize.ts';
import { expandDims, pad, slice, squeeze, transpose } from './shape.ts';
import { logSoftmax, softmax, softmaxCrossEntropy } from './softmax.ts';

/**
 * Every differentiable operator by name. The tests' float64 references are typed by these names, so an operator without
 * a reference and a gradient check does not compile.
 */
export const operators = {
  add,
  avgPool2d,
  batchNorm,
  batchNormInference,
  biasAdd,
  concat,
  conv2d,
  depthwiseConv2d,
  dropout,
  expandDims,
  gather,
  globalAveragePool2d,
  linear,
  logSoftmax,
  matmul,
  max,
  maxPool2d,
  mean,
  min,
  pad,
  relu,
  reshape,
  resize,
  slice,
  softmax,
  softmaxCrossEntropy,
  squeeze,
  stack,
  sum,
  transpose,
  variance,
} as const;

export type OperatorName = keyof typeof operators;
