import { DeviceArray, type Shape, sizeOf } from '../src/kernels/array.ts';
import * as norm from '../src/kernels/batch-norm.ts';
import { BLOCK } from '../src/kernels/blocks.ts';
import { adam } from '../src/kernels/optimizer.ts';
import { avgPool2d, avgPool2dGrad, maxPool2d, maxPool2dGrad } from '../src/kernels/pooling.ts';
import { softmaxCrossEntropy } from '../src/kernels/softmax.ts';
import { StepState } from '../src/kernels/step-state.ts';
import type { KernelCase } from './kernel-case.ts';

/** What all of these kernels wait for is memory; they have one implementation each. */
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

/** Batch normalisation in training. Operations an element: 8 forward (statistics 4, scaling 4), 12 backward (sums 5, input 7). */
export function batchNormalization(name: string, x: Shape): KernelCase[] {
  const EPSILON = 1e-3;
  const channels = x.at(-1)!;
  return [
    {
      ...memory,
      name: `${name}-forward`,
      flops: 8 * sizeOf(x),
      bytes: 4 * (2 * sizeOf(x) + 6 * channels),
      setUp(draw) {
        const [input, scale, offset] = [draw(x), draw([channels]), draw([channels])];
        const running = { mean: draw([channels]), variance: draw([channels]), momentum: 0.99 };
        return () => {
          const statistics = norm.batchStatistics('batchNorm', input, running);
          norm.batchNorm(input, scale, offset, statistics, EPSILON);
        };
      },
    },
    {
      ...memory,
      name: `${name}-grad`,
      flops: 12 * sizeOf(x),
      bytes: 4 * (3 * sizeOf(x) + 5 * channels),
      setUp(draw) {
        const [input, dy, scale] = [draw(x), draw(x), draw([channels])];
        const statistics = norm.batchStatistics('batchNorm', input, null);
        return () => {
          const sums = norm.batchNormParameterGrads(input, dy, statistics, EPSILON);
          norm.batchNormInputGrad(input, dy, scale, statistics, EPSILON, sums);
        };
      },
    },
  ];
}

/** Loss, hits and gradient in one kernel. Operations: 5 a logit. */
export function crossEntropy(name: string, batch: number, classes: number): KernelCase {
  return {
    ...memory,
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
      return () => void softmaxCrossEntropy(logits, labels);
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
