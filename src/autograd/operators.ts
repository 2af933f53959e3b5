import { conv2d } from './conv2d/conv2d.ts';
import { depthwiseConv2d } from './depthwise/depthwise.ts';
import { gather } from './gather/gather.ts';
import { biasAdd, linear, matmul } from './matmul/matmul.ts';
import { batchNorm, batchNormInference } from './norm/batch-norm.ts';
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
} from './pointwise/pointwise.ts';
import { avgPool2d, globalAveragePool2d, maxPool2d } from './pool/pooling.ts';
import { dropout } from './random/dropout.ts';
import { max, mean, min, sum, variance } from './reduce/reduce.ts';
import { resize } from './resize/resize.ts';
import { concat, stack } from './shape/concat.ts';
import { reshape } from './shape/reshape.ts';
import { expandDims, pad, slice, squeeze, transpose } from './shape/shape.ts';
import { logSoftmax, softmax, softmaxCrossEntropy } from './softmax/softmax.ts';

/**
 * All differentiable operators by name. The tests' float64 references are typed by these names, so an operator without
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
