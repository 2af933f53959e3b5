import type { OperatorName } from '../../src/autograd/operators.ts';
import { batchNorm, batchNormInference } from './batch-norm.ts';
import { conv2d } from './conv2d.ts';
import { depthwiseConv2d } from './depthwise.ts';
import { dropout } from './dropout.ts';
import { biasAdd } from './elementwise.ts';
import { softmaxCrossEntropy } from './loss.ts';
import { linear, matmul } from './matmul.ts';
import { binary, gelu, pow, unary, where } from './pointwise.ts';
import { avgPool2d, globalAveragePool2d, maxPool2d } from './pooling.ts';
import { max, mean, min, sum, variance } from './reduce.ts';
import type { Reference } from './reference.ts';
import { resize } from './resize.ts';
import { concat, expandDims, gather, pad, reshape, slice, squeeze, stack, transpose } from './shape.ts';
import { logSoftmax, softmax } from './softmax.ts';

/** The type has every operator: one without a reference does not compile. */
export const references: Record<OperatorName, Reference> = {
  matmul,
  neg: unary('neg'),
  exp: unary('exp'),
  log: unary('log'),
  sqrt: unary('sqrt'),
  rsqrt: unary('rsqrt'),
  square: unary('square'),
  reciprocal: unary('reciprocal'),
  abs: unary('abs'),
  sign: unary('sign'),
  relu: unary('relu'),
  relu6: unary('relu6'),
  leakyRelu: unary('leakyRelu'),
  elu: unary('elu'),
  sigmoid: unary('sigmoid'),
  tanh: unary('tanh'),
  softplus: unary('softplus'),
  clip: unary('clip'),
  add: binary('add'),
  sub: binary('sub'),
  mul: binary('mul'),
  div: binary('div'),
  maximum: binary('maximum'),
  minimum: binary('minimum'),
  gelu,
  pow,
  where,
  linear,
  batchNorm,
  batchNormInference,
  conv2d,
  depthwiseConv2d,
  dropout,
  biasAdd,
  softmax,
  logSoftmax,
  maxPool2d,
  avgPool2d,
  globalAveragePool2d,
  reshape,
  resize,
  concat,
  expandDims,
  gather,
  pad,
  slice,
  squeeze,
  stack,
  transpose,
  sum,
  mean,
  max,
  min,
  variance,
  softmaxCrossEntropy,
};

export type { OperatorName };
export const operatorNames = Object.keys(references) as OperatorName[];
