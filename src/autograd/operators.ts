import { batchNorm, batchNormInference } from './batch-norm.ts';
import { concat, stack } from './concat.ts';
import { conv2d } from './conv2d.ts';
import { depthwiseConv2d } from './depthwise.ts';
import { dropout } from './dropout.ts';
import { gather } from './gather.ts';
import { biasAdd, linear, matmul } from './linear.ts';
import {
  abs,
  add,
  clip,
  div,
  elu,
  exp,
  gelu,
  leakyRelu,
  log,
  maximum,
  minimum,
  mul,
  neg,
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
import { avgPool2d, globalAveragePool2d, maxPool2d } from './pooling.ts';
import { max, mean, min, sum, variance } from './reduce.ts';
import { reshape } from './reshape.ts';
import { resize } from './resize.ts';
import { expandDims, pad, slice, squeeze, transpose } from './shape.ts';
import { logSoftmax, softmax, softmaxCrossEntropy } from './softmax.ts';

/**
 * Every differentiable operator by name. The tests' float64 references are typed by these names, so an operator without
 * a reference and a gradient check does not compile.
 * @internal
 */
export const operators = {
  abs,
  add,
  avgPool2d,
  batchNorm,
  batchNormInference,
  biasAdd,
  clip,
  concat,
  conv2d,
  depthwiseConv2d,
  div,
  dropout,
  elu,
  exp,
  expandDims,
  gather,
  gelu,
  globalAveragePool2d,
  leakyRelu,
  linear,
  log,
  logSoftmax,
  matmul,
  max,
  maximum,
  maxPool2d,
  mean,
  min,
  minimum,
  mul,
  neg,
  pad,
  pow,
  reciprocal,
  relu,
  relu6,
  reshape,
  resize,
  rsqrt,
  sigmoid,
  sign,
  slice,
  softmax,
  softmaxCrossEntropy,
  softplus,
  sqrt,
  square,
  squeeze,
  stack,
  sub,
  sum,
  tanh,
  transpose,
  variance,
  where,
} as const;

/**
 * Name of a differentiable operator.
 * @internal
 */
export type OperatorName = keyof typeof operators;
