import { DeviceArray, type Shape, sizeOf } from '../src/kernels/array.ts';
import * as norm from '../src/kernels/norm/batch-norm.ts';
import { BLOCK } from '../src/kernels/optimizers/blocks.ts';
import { adam } from '../src/kernels/optimizers/optimizer.ts';
import { StepState } from '../src/kernels/optimizers/step-state.ts';
import { avgPool2d, avgPool2dGrad, maxPool2d, maxPool2dGrad } from '../src/kernels/pool/pooling.ts';
import { type ReduceVariant, reduceMiddle, reduceVariants } from '../src/kernels/reduce/reduce-variants.ts';
import { type SoftmaxVariant, softmax, softmaxCrossEntropy, softmaxVariants } from '../src/kernels/softmax/softmax.ts';
import type { KernelCase } from './kernel-case.ts';

/** What all of these kernels wait for is memory. */
const memory = { bound: 'memory', variants: [] } as const;

/** Pooling by windows side by side. Operations: one a pixel of the windows. */
export function pooling(name: string, kind: 'max' | 'average', x: Shape, poolSize: number): KernelCase[] {
  const [batch, h, w, channels] = x as [number, number, number, number];
  const y = [batch, Math.floor(h / poolSize), Math.floor(w / poolSize), channels];
  // A maximum is kept with its place.
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

/** Batch normalization in training. Operations an element: 8 forward (statistics 4, scaling 4), 12 backward (sums 5, input 7). */
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
        return (asked) => {
          const variant = asked as norm.BatchNormVariant;
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
        return (asked) => {
          const variant = asked as norm.BatchNormVariant;
          const sums = norm.batchNormParameterGrads(input, dy, statistics, EPSILON, { variant });
          norm.batchNormInputGrad(input, dy, { scale, offset }, statistics, EPSILON, sums);
        };
      },
    },
  ];
}

/** Loss, hits and gradient in one kernel. Operations: 5 a logit. */
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

/** Softmax over the last axis. Operations: 4 a value. */
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

/** A sum over the middle axis of [outer, rows, channels]. Operations: an addition a value. */
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

/** One step of Adam: gradient read; weight and both moments read and written. Operations: 12 a weight. */
export function adamStep(name: string, parameters: number): KernelCase {
  return {
    ...memory,
    name,
    flops: 12 * parameters,
    bytes: 4 * 7 * parameters,
    setUp(draw, device) {
      const shape = [Math.ceil(parameters / BLOCK) * BLOCK]; // as a model's flat buffers are
      const [weight, gradient, m, v] = [draw(shape), draw(shape), draw(shape), draw(shape)];
      const state = new StepState(device);
      state.write({ batchStart: 0, step: 1, rates: [{ stepSize: 0, rate: 0 }] });
      return () => adam({ weight, gradient }, { m, v }, state, { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 });
    },
  };
}
