import type { ProblemSizes } from '../gpu/kernel-selection.ts';
import type { DeviceArray, Shape } from './array.ts';
import {
  type BatchNormVariant,
  batchNormParameterGrads,
  batchNormShaders,
  batchNormVariants,
  batchStatistics,
} from './norm/batch-norm.ts';
import {
  type ReduceVariant,
  type Reduction,
  reduceMiddle,
  reduceShaders,
  reduceSupports,
  reduceVariants,
} from './reduce/reduce-variants.ts';
import {
  logSoftmax,
  logSoftmaxGrad,
  type SoftmaxRun,
  type SoftmaxVariant,
  softmax,
  softmaxCrossEntropy,
  softmaxGrad,
  softmaxShaders,
  softmaxSupports,
  softmaxVariants,
} from './softmax/softmax.ts';
import type { Tunable } from './tunable.ts';

const rowsOf = ({ outer = 1, rows = 0, channels = 1 }: ProblemSizes) => ({ outer, rows, channels });

function reduction(name: Reduction): Tunable {
  return {
    variants: reduceVariants,
    shaders: reduceShaders,
    supports: (variant, device, sizes) => reduceSupports(variant as ReduceVariant, device, rowsOf(sizes)),
    inputs: ({ outer = 1, rows = 0, channels = 1 }) => [[outer, rows, channels]],
    output: ({ outer = 1, channels = 1 }) => [outer, channels],
    sumLength: ({ rows = 0 }) => (name === 'reduceSum' ? rows : 0),
    flops: ({ outer = 1, rows = 0, channels = 1 }) => outer * rows * channels,
    run: (variant, sizes, [x], into) =>
      reduceMiddle(name, x!, rowsOf(sizes), into, { factor: 1, variant: variant as ReduceVariant }),
  };
}

/** An operator on rows of classes, with `count` input arrays. */
function onClasses(count: 1 | 2, run: (inputs: readonly DeviceArray[], options: SoftmaxRun) => void): Tunable {
  const shape = ({ rows = 0, classes = 1, inner = 1 }: ProblemSizes): Shape => [rows / inner, classes, inner];
  return {
    variants: softmaxVariants,
    shaders: softmaxShaders,
    supports: (variant, device) => softmaxSupports(variant as SoftmaxVariant, device),
    inputs: (sizes) => Array.from({ length: count }, () => shape(sizes)),
    output: shape,
    sumLength: ({ classes = 1 }) => classes,
    flops: ({ rows = 0, classes = 1 }) => 4 * rows * classes,
    run: (variant, _sizes, inputs, into) => run(inputs, { into, variant: variant as SoftmaxVariant }),
  };
}

function batchNorm(
  flops: number,
  inputs: (sizes: { rows: number; channels: number }) => Shape[],
  run: (arrays: readonly DeviceArray[], into: DeviceArray, variant: BatchNormVariant) => void,
): Tunable {
  return {
    variants: batchNormVariants,
    shaders: batchNormShaders,
    supports: (_variant, _device, { rows = 0, channels = 0 }) => rows * channels > 0,
    inputs: ({ rows = 0, channels = 0 }) => inputs({ rows, channels }),
    output: ({ channels = 0 }) => [channels],
    sumLength: ({ rows = 0 }) => rows,
    flops: ({ rows = 0, channels = 0 }) => flops * rows * channels,
    run: (variant, _sizes, arrays, into) => run(arrays, into, variant as BatchNormVariant),
  };
}

/** Operators that reduce rows: sums and extremes, softmax, batch normalization. */
export const rowTunables = {
  reduceSum: reduction('reduceSum'),
  reduceExtreme: reduction('reduceExtreme'),
  softmax: onClasses(1, ([x], options) => softmax(x!, 1, options)),
  softmaxGrad: onClasses(2, ([y, dy], options) => softmaxGrad(y!, dy!, 1, options)),
  logSoftmax: onClasses(1, ([x], options) => logSoftmax(x!, 1, options)),
  logSoftmaxGrad: onClasses(2, ([y, dy], options) => logSoftmaxGrad(y!, dy!, 1, options)),
  softmaxCrossEntropy: {
    ...onClasses(1, ([logits, labels], options) => softmaxCrossEntropy(logits!, labels!, options)),
    inputs: ({ rows = 0, classes = 1 }) => [[rows, classes], [rows]],
    labels: ({ classes = 1 }) => classes,
    output: ({ rows = 0, classes = 1 }) => [rows, classes],
  },
  batchNormMoments: batchNorm(
    4,
    ({ rows, channels }) => [[rows, channels]],
    ([x], variance, variant) => batchStatistics('batchNorm', x!, null, { variance, variant }),
  ),
  batchNormGradSums: batchNorm(
    5,
    ({ rows, channels }) => [[rows, channels], [rows, channels], [channels], [channels]],
    ([x, dy, mean, variance], dscale, variant) => {
      const epsilon = 2; // the random variances of the benchmark lie between -1 and 1
      batchNormParameterGrads(x!, dy!, { mean: mean!, variance: variance! }, epsilon, { dscale, variant });
    },
  ),
} satisfies Record<string, Tunable>;
