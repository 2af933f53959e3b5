import { expect, test } from 'vitest';
import { bytesMoved } from '../../src/gpu/bound-arrays.ts';
import type { KernelSource } from '../../src/gpu/pipelines.ts';
import { DeviceArray } from '../../src/kernels/array.ts';
import {
  accumulateMetrics,
  countConfusion,
  countHits,
  countLabels,
  countTopK,
  TOTALS_WORDS,
} from '../../src/kernels/metrics/metrics.ts';
import {
  argmax,
  avgPool2d,
  batchNorm,
  biasAdd,
  conv2d,
  depthwiseConv2d,
  dropout,
  gather,
  globalAveragePool2d,
  linear,
  matmul,
  max,
  maxPool2d,
  mean,
  meanSquaredError,
  relu,
  scope,
  softmax,
  softmaxCrossEntropy,
  sum,
  Tensor,
  variance,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

// On a GPU an invocation reads 4 bytes in about 0.3 us if it waits for each, so one that reads all rows of a batch can exceed the time
// limit of a watchdog. The batches here are so large that this shows in the work of one invocation: the minimum bytes and the
// floating-point operations of a dispatch, divided by its invocations.

/** Maximum work of an invocation: 8,192 values take a few milliseconds, and so do that many products of two values from a cache. */
const MOST = { bytes: 2 ** 15, flops: 2 ** 15 };

/** Invocations in a workgroup, from the shader text and its constants. */
function workgroupSize({ code, constants = {} }: KernelSource): number {
  const [, list] = /@workgroup_size\(([^)]*)\)/.exec(code)!;
  const numberOf = (text: string): number => {
    const name = text.trim().replace(/u$/, '');
    if (/^\d/.test(name)) return Number(name);
    const [, value] = new RegExp(`(?:const|override) ${name}\\b[^=]*= *(\\w+)`).exec(code)!;
    return constants[name] ?? numberOf(value!);
  };
  return list!.split(',').reduce((size, part) => size * numberOf(part), 1);
}

type Arrays = (...shape: number[]) => Tensor;

const backward = (y: Tensor) => y.backward(new Tensor(DeviceArray.empty(y.array.device, y.shape)));

describeOnDevice('work of one invocation', (device) => {
  const f32: Arrays = (...shape) => new Tensor(DeviceArray.empty(device, shape), true);
  const u32: Arrays = (...shape) => new Tensor(DeviceArray.empty(device, shape, { dtype: 'u32' }));

  /** Work of an invocation in each dispatch of `build`, on an adapter that reports itself as a GPU. */
  function shares(build: () => void): { kernel: string; bytes: number; flops: number }[] {
    const { info } = device;
    Object.assign(device, { info: { ...info, name: 'card', vendor: '', driver: '', isSoftware: false } });
    try {
      const program = device.record(() =>
        scope(device, () => {
          build();
          return [];
        }),
      );
      const all = program.commands.map((command) => {
        const { pipeline, workgroups, info } = command;
        const invocations = workgroups.reduce((a, b) => a * b) * workgroupSize(pipeline.source);
        return {
          kernel: pipeline.name,
          bytes: bytesMoved(command) / invocations,
          flops: (info?.flops ?? 0) / invocations,
        };
      });
      program.dispose();
      return all;
    } finally {
      Object.assign(device, { info });
    }
  }

  const cases: [string, () => void][] = [
    ['hits added up', () => accumulateMetrics(f32().array, f32(1e6).array, u32(TOTALS_WORDS).array)],
    [
      'hits, top k, confusion',
      () => {
        const [y, labels] = [f32(1e6, 10).array, u32(1e6).array];
        countHits(y, labels).dispose();
        countTopK(y, labels, u32(10).array, { k: 5 });
        countConfusion(labels, labels, u32(100).array, { classes: 10 });
      },
    ],
    ['labels', () => countLabels(f32(1e6, 3).array, f32(1e6, 3).array, u32(40).array, { threshold: 0.5 })],
    ['argmax of all', () => argmax(f32(2e6, 3))],
    ['argmax of rows', () => argmax(f32(1e6, 3), { axis: 0 })],
    ['argmax of columns', () => argmax(f32(10, 1e6), { axis: 1 })],
    [
      'sum, max, variance of all',
      () => {
        backward(sum(f32(4e6)));
        backward(max(f32(4e6)));
        backward(variance(f32(4e6)));
      },
    ],
    [
      'sum, max of rows',
      () => {
        backward(sum(f32(1e6, 3), { axis: 0 }));
        backward(max(f32(1e6, 3), { axis: 0 }));
      },
    ],
    ['mean of columns', () => backward(mean(f32(3, 1e6), { axis: 1 }))],
    ['linear of one feature', () => backward(linear(f32(1e6, 1), f32(1, 3), f32(3)))],
    ['linear to one unit', () => backward(linear(f32(1e6, 3), f32(3, 1), f32(1)))],
    ['linear', () => backward(linear(f32(1e5, 64), f32(64, 32), f32(32)))],
    ['product of a row and a column', () => backward(matmul(f32(1, 2e6), f32(2e6, 1)))],
    ['products of rows and columns', () => backward(matmul(f32(3, 1, 1e6), f32(3, 1e6, 1)))],
    ['biasAdd', () => backward(biasAdd(f32(1e6, 3), f32(3)))],
    ['conv2d', () => backward(relu(conv2d(f32(256, 32, 32, 3), f32(3, 3, 3, 8))))],
    ['conv2d of one channel', () => backward(conv2d(f32(2048, 28, 28, 1), f32(5, 5, 1, 1)))],
    ['conv2d of one pixel', () => backward(conv2d(f32(4096, 8, 8, 4), f32(1, 1, 4, 2)))],
    [
      'conv2d with strides and dilation',
      () => {
        backward(conv2d(f32(512, 32, 32, 3), f32(3, 3, 3, 5), null, { strides: 2 }));
        backward(conv2d(f32(512, 32, 32, 3), f32(3, 3, 3, 5), null, { dilation: 3 }));
      },
    ],
    ['conv2d of long rows', () => backward(conv2d(f32(8, 1, 100_000, 2), f32(1, 9, 2, 3), null, { padding: 'same' }))],
    ['depthwise', () => backward(depthwiseConv2d(f32(256, 32, 32, 4), f32(3, 3, 4, 1)))],
    ['depthwise of one channel', () => backward(depthwiseConv2d(f32(1024, 32, 32, 1), f32(3, 3, 1, 2)))],
    ['depthwise with a large filter', () => backward(depthwiseConv2d(f32(256, 64, 64, 1), f32(9, 9, 1, 1)))],
    ['depthwise of long rows', () => backward(depthwiseConv2d(f32(4, 1, 200_000, 1), f32(1, 64, 1, 1)))],
    ['batchNorm', () => backward(batchNorm(f32(256, 32, 32, 4), f32(4), f32(4)))],
    ['batchNorm of one channel', () => backward(batchNorm(f32(1e6, 1), f32(1), f32(1)))],
    [
      'pools',
      () => {
        backward(maxPool2d(f32(1024, 32, 32, 1), { poolSize: 2 }));
        backward(avgPool2d(f32(1024, 32, 32, 1), { poolSize: 3, strides: 1 }));
        backward(globalAveragePool2d(f32(1024, 64, 64, 1)));
      },
    ],
    [
      'softmax and losses',
      () => {
        backward(softmax(f32(1e6, 3)));
        backward(softmaxCrossEntropy(f32(1e6, 3), u32(1e6)));
        backward(meanSquaredError(f32(1e6, 3), f32(1e6, 3)));
      },
    ],
    [
      'gather',
      () => {
        backward(gather(f32(1000, 16), u32(1e5)));
        backward(gather(f32(3, 1), u32(4e6)));
      },
    ],
    ['dropout', () => backward(dropout(f32(1e6, 3), { rate: 0.5 }))],
  ];

  test.each(cases)('does not grow with the batch: %s', (_, build) => {
    const all = shares(build);
    expect(all.length).toBeGreaterThan(0);
    expect(all.filter(({ bytes, flops }) => bytes > MOST.bytes || flops > MOST.flops)).toEqual([]);
  });
});
