import { DeviceArray, type Shape, sizeOf } from '../src/kernels/array.ts';
import * as norm from '../src/kernels/norm/batch-norm.ts';
import { BLOCK } from '../src/kernels/optimizers/blocks.ts';
import { adam } from '../src/kernels/optimizers/optimizer.ts';
import { StepState } from '../src/kernels/optimizers/step-state.ts';
import { avgPool2d, avgPool2dGrad, maxPool2d, maxPool2dGrad } from '../src/kernels/pool/pooling.ts';
import { type ReduceVariant, reduceMiddle, reduceVariants } from '../src/kernels/reduce/reduce-variants.ts';
import { type SoftmaxVariant, softmax, softmaxCrossEntropy, softmaxVariants } from '../src/kernels/softmax/softmax.ts';
import type { KernelCase } from './kernel-case.ts';

/** Fields that all of these memory-bound kernels share. */
const memory = { bound: 'memory', variants: [] } as const;

/** Returns the cases of pooling with windows that do not overlap. Operations: one per pixel of a window. */
export function pooling(name: string, kind: 'max' | 'average', x: Shape, poolSize: number): KernelCase[] {
  const [batch, h, w, channels] = x as [number, number, number, number];
  const y = [batch, Math.floor(h / poolSize), Math.floor(w / poolSize), channels];
  // Max pooling also writes the position of each maximum.
  const bytes = 4 * (sizeOf(x) + (kind === 'max' ? 2 : 1) * sizeOf(y));
  const shared = { ...memory, flops: poolSize ** 2 * sizeOf(y), bytes };
  return [
    {
      ...shared,
      name: `${name}-forward`,
      setUp(draw) {
        const input = draw(x);
        return () => void (kind === 'max' ? maxPool2d : avgPool2d)(input, { poolSize });
      },
    },
    {
      ...shared,
      name: `${name}-grad`,
      setUp(draw) {
        const [input, dy] = [draw(x), draw(y)];
        if (kind === 'average') {
          const pool = avgPool2d(input, { poolSize });
          return () => void avgPool2dGrad(dy, pool);
        }
        const pool = maxPool2d(input, { poolSize });
        return () => void maxPool2dGrad(dy, pool);
      },
    },
  ];
}

/** Returns the cases of batch normalization in training. Operations per element: 8 forward (statistics 4, scaling 4), 12 backward (sums 5, input 7). */
export function batchNormalization(name: string, x: Shape): KernelCase[] {
  const EPSILON = 1e-3;
  const channels = x.at(-1)!;
  return [
    {
      ...memory,
      variants: norm.batchNormVariants,
      name: `${name}-forward`,
      flops: 8 * sizeOf(x),
      bytes: 4 * (2 * sizeOf(x) + 6 * channels),
      setUp(draw) {
        const [input, scale, offset] = [draw(x), draw([channels]), draw([channels])];
        const running = { mean: draw([channels]), variance: draw([channels]), momentum: 0.99 };
        return (requested) => {
          const variant = requested as norm.BatchNormVariant;
          const statistics = norm.batchStatistics('batchNorm', input, running, { variant });
          norm.batchNorm(input, scale, offset, statistics, EPSILON);
        };
      },
    },
    {
      ...memory,
      variants: norm.batchNormVariants,
      name: `${name}-grad`,
      flops: 12 * sizeOf(x),
      bytes: 4 * (3 * sizeOf(x) + 5 * channels),
      setUp(draw) {
        const [input, dy, scale, offset] = [draw(x), draw(x), draw([channels]), draw([channels])];
        const statistics = norm.batchStatistics('batchNorm', input, null);
        return (requested) => {
          const variant = requested as norm.BatchNormVariant;
          const sums = norm.batchNormParameterGrads(input, dy, statistics, EPSILON, { variant });
          norm.batchNormInputGrad(input, dy, { scale, offset }, statistics, EPSILON, sums);
        };
      },
    },
  ];
}

/** Returns the case of cross-entropy: loss, hits and gradient in one kernel. Operations: 5 per logit. */
export function crossEntropy(name: string, batch: number, classes: number): KernelCase {
  return {
    ...memory,
    variants: softmaxVariants,
    name,
    flops: 5 * batch * classes,
    bytes: 4 * (2 * batch * classes + 3 * batch),
    setUp(draw, device) {
      const logits = draw([batch, classes]);
      const labels = DeviceArray.empty(device, [batch], { dtype: 'u32' });
      device.upload(
        labels.storage,
        Uint32Array.from({ length: batch }, (_, i) => i % classes),
      );
      return (variant) => void softmaxCrossEntropy(logits, labels, { variant: variant as SoftmaxVariant });
    },
  };
}

/** Returns the case of a softmax over the last axis. Operations: 4 per value. */
export function softmaxRows(name: string, rows: number, classes: number): KernelCase {
  return {
    ...memory,
    variants: softmaxVariants,
    name,
    flops: 4 * rows * classes,
    bytes: 4 * 2 * rows * classes,
    setUp(draw) {
      const x = draw([rows, classes]);
      return (variant) => void softmax(x, 1, { variant: variant as SoftmaxVariant });
    },
  };
}

/** Returns the case of a sum over the middle axis of [outer, rows, channels]. Operations: one per value. */
export function sum(name: string, outer: number, rows: number, channels: number): KernelCase {
  return {
    ...memory,
    variants: reduceVariants,
    name,
    flops: outer * rows * channels,
    bytes: 4 * outer * (rows + 1) * channels,
    setUp(draw, device) {
      const x = draw([outer, rows, channels]);
      return (variant) => {
        const y = DeviceArray.empty(device, [outer, channels]);
        reduceMiddle('reduceSum', x, { outer, rows, channels }, y, { factor: 1, variant: variant as ReduceVariant });
      };
    },
  };
}

/** Returns the case of an Adam step: it reads the gradient, and reads and writes weight and moments. Operations: 12 per weight. */
export function adamStep(name: string, parameters: number): KernelCase {
  return {
    ...memory,
    name,
    flops: 12 * parameters,
    bytes: 4 * 7 * parameters,
    setUp(draw, device) {
      const shape = [Math.ceil(parameters / BLOCK) * BLOCK]; // padded like a model's flat buffers
      const [weight, gradient, m, v] = [draw(shape), draw(shape), draw(shape), draw(shape)];
      const state = new StepState(device);
      state.write({ batchStart: 0, step: 1, rates: [{ stepSize: 0, rate: 0 }] });
      return () => adam({ weight, gradient }, { m, v }, state, { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 });
    },
  };
}
