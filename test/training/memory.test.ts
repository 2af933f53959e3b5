import { describe, expect, test } from 'vitest';
import {
  BatchNormalization,
  Conv2D,
  Dense,
  DepthwiseConv2D,
  type Device,
  GlobalAveragePooling2D,
  ImageLoader,
  type Layer,
  openDevice,
  ReLU,
  Sequential,
  ZeroPadding2D,
} from '../../src/node.ts';
import { recordTrainingStep } from '../../src/training/training-step.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

function build(device: Device, units: number, inputs = 2): Sequential {
  const kernelInitializer = 'zeros'; // drawing millions of weights takes seconds
  const hidden = new Dense({ units, activation: 'relu', inputShape: [inputs], kernelInitializer });
  const layers = [hidden, new Dense({ units: 1 })];
  return new Sequential(layers).build(device).compile({ optimizer: 'adam', loss: 'meanSquaredError' });
}

describeOnDevice('memory of models', (device) => {
  test('trainOnBatch and testOnBatch with many batch sizes keep a limited number of programs', async () => {
    using device = await openDevice();
    using model = build(device, 512);
    const heldBytes: number[] = [];
    for (let n = 100; n < 130; n++) {
      const x = Array.from({ length: n }, () => [1, 2]);
      const y = x.map(() => [3]);
      await model.trainOnBatch(x, y);
      await model.testOnBatch(x, y);
      heldBytes.push(device.counters.bytesAllocated);
    }
    // Programs with the same buckets take the same memory, those of larger batches a little more.
    expect(heldBytes[29]! / heldBytes[9]!).toBeLessThan(1.25);
    // The program of a recently used size is still cached; an old one is recorded again.
    const { pipelinesCreated, bindGroupsCreated } = device.counters;
    await model.trainOnBatch(new Float32Array(2 * 125), new Float32Array(125));
    expect(device.counters.bindGroupsCreated).toBe(bindGroupsCreated);
    const again = await model.testOnBatch(new Float32Array(2 * 100), new Float32Array(100));
    expect(again.loss).toBeGreaterThanOrEqual(0);
    expect(device.counters.bindGroupsCreated).toBeGreaterThan(bindGroupsCreated);
    expect(device.counters.pipelinesCreated).toBe(pipelinesCreated);
  });

  test("models of many sizes, each trained and disposed, hold at most the largest and the pool's limit", async () => {
    using device = await openDevice();
    const largest: number[] = [];
    for (let i = 0; i < 12; i++) {
      const before = device.counters.bytesAllocated - device.freeBytes;
      const model = build(device, 1024 + 128 * i, 2000); // four flat buffers of 8 MB and more
      await model.trainOnBatch(new Float32Array(2000), [1]);
      largest.push(device.counters.bytesAllocated - device.freeBytes);
      model.dispose();
      expect(device.counters.bytesAllocated - device.freeBytes).toBe(before);
    }
    await device.sync();
    expect(largest.reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(600 * 2 ** 20);
    expect(device.counters.bytesAllocated).toBeLessThanOrEqual(256 * 2 ** 20);
  });

  describe('memory of a recorded training step', () => {
    const [BATCH, CHANNELS] = [16, 16];

    /** Bytes of a step of a convolutional network with these layers between its first and its last layer. */
    function bytesOfStep(layers: Layer[]): number {
      using data = new ImageLoader(device, drawImages(BATCH, { classes: 2 }));
      const [height, width, channels] = data.sampleShape;
      const first = new Conv2D({ filters: CHANNELS, kernelSize: 1, inputShape: [height, width, channels] });
      using model = new Sequential([first, ...layers, new GlobalAveragePooling2D(), new Dense({ units: 2 })]).build(
        device,
      );
      model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
      const step = recordTrainingStep('test', model, data, { batchSize: BATCH });
      const { bytes } = step.program;
      step.dispose();
      return bytes;
    }
    const { shape } = drawImages(1, { classes: 2 });
    /** Bytes of the output of a layer. */
    const OUTPUT = 4 * BATCH * shape[0] * shape[1] * CHANNELS;
    const normalizedBlocks = (n: number, activation: () => Layer[]) =>
      Array.from({ length: n }, () => [
        new Conv2D({ filters: CHANNELS, kernelSize: 1, useBias: false }),
        new BatchNormalization(),
        ...activation(),
      ]).flat();

    test('for the backward pass it holds two outputs of a convolution, its batch normalization and ReLU6', () => {
      const relu6 = () => [new ReLU({ maxValue: 6 })];
      const perBlock = (bytesOfStep(normalizedBlocks(6, relu6)) - bytesOfStep(normalizedBlocks(2, relu6))) / 4 / OUTPUT;
      expect(perBlock).toBeGreaterThan(1.9);
      expect(perBlock).toBeLessThan(2.1); // also sums and statistics of each channel
    });

    test('it holds no padded copy of images below a strided convolution', () => {
      const layersAfter = () => [new BatchNormalization(), new ReLU({ maxValue: 6 })];
      const strided = { kernelSize: 3, strides: 2, useBias: false } as const;
      const padding = [
        [0, 1],
        [0, 1],
      ] as const;
      const copied = bytesOfStep([new ZeroPadding2D({ padding }), new DepthwiseConv2D(strided), ...layersAfter()]);
      expect(copied).toBe(bytesOfStep([new DepthwiseConv2D({ ...strided, padding: 'same' }), ...layersAfter()]));
    });
  });
});
