import { expect, test } from 'vitest';
import { fusedActivations } from '../../src/kernels/epilogue.ts';
import {
  type ActivationName,
  ArgumentError,
  Conv2D,
  type Counters,
  conv2d,
  Dense,
  Flatten,
  ImageLoader,
  linear,
  Sequential,
  SGD,
  tensor,
} from '../../src/node.ts';
import { compareWithReference } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

describeOnDevice('activations fused into linear and conv2d', (device) => {
  test.each(fusedActivations)('%s: values and gradients', async (activation) => {
    const attrs = { activation, ...(activation === 'leakyRelu' ? { negativeSlope: 0.3 } : {}) };
    // One product without slices, one in slices that are added afterwards.
    for (const depth of [7, 801]) {
      const inputs = [{ shape: [5, depth] }, { shape: [depth, 11] }, { shape: [11] }];
      await compareWithReference(device, 'linear', { inputs, attrs, seed: depth });
    }
    // Numbers of channels for the kernels with few, with eight and with many channels.
    for (const [from, to] of [
      [1, 3],
      [3, 8],
      [16, 16],
    ] as const) {
      const inputs = [{ shape: [2, 8, 8, from] }, { shape: [3, 3, from, to] }, { shape: [to] }];
      await compareWithReference(device, 'conv2d', { inputs, attrs, seed: from });
    }
  });

  const network = (name: ActivationName) =>
    new Sequential([
      new Conv2D({ filters: 8, kernelSize: 3, activation: name, inputShape: [6, 6, 1] }),
      new Flatten(),
      new Dense({ units: 5, activation: name }),
      new Dense({ units: 3, activation: 'softmax' }),
    ]);

  test.each<ActivationName>(['relu', 'relu6', 'leakyRelu', 'sigmoid', 'tanh'])(
    'layers: %s needs no separate dispatch in the forward pass',
    async (activation) => {
      using data = new ImageLoader(device, drawImages(8, { classes: 3, shape: [6, 6, 1] }));
      const dispatches = async (name: ActivationName) => {
        using model = network(name).build(device);
        model.compile({ optimizer: new SGD(), loss: 'sparseCategoricalCrossentropy' });
        await model.predict(data);
        const before = device.counters.dispatches;
        await model.predict(data);
        return device.counters.dispatches - before;
      };
      expect(await dispatches(activation)).toBe(await dispatches('linear'));
      expect(await dispatches('gelu')).toBe((await dispatches('linear')) + 2);
    },
  );

  test.each<ActivationName>(['sigmoid', 'tanh'])(
    'layers: %s runs as a separate kernel if there is a gradient, and a step creates no GPU object',
    async (activation) => {
      using data = new ImageLoader(device, drawImages(24, { classes: 3, shape: [6, 6, 1] }));
      const stepsOf = async (name: ActivationName) => {
        using model = network(name).build(device);
        model.compile({ optimizer: new SGD(), loss: 'sparseCategoricalCrossentropy' });
        const moments: Counters[] = [];
        const onEpochEnd = () => void moments.push({ ...device.counters });
        await model.fit(data, { epochs: 3, batchSize: 8, callbacks: [{ onEpochEnd }] });
        const [, before, after] = moments as [Counters, Counters, Counters];
        const change = (key: keyof Counters) => after[key] - before[key];
        return {
          dispatches: change('dispatches') / 3,
          created: change('pipelinesCreated') + change('bindGroupsCreated') + change('buffersCreated'),
          bytes: change('bytesAllocated'),
        };
      };
      const [relu, unfused] = [await stepsOf('relu'), await stepsOf(activation)];
      expect(unfused).toMatchObject({ created: 0, bytes: 0 });
      // Two more kernels forward, and one backward: the dense layer's product applies the ReLU of the convolution.
      expect(unfused.dispatches - relu.dispatches).toBe(3);
    },
  );

  test('negativeSlope: 0 is a ReLU; throws ArgumentError for anything but finite numbers >= 0', async () => {
    using x = tensor(device, [-1, 2], [1, 2]);
    using w = tensor(device, [1, 0, 0, 1], [2, 2]);
    using y = linear(x, w, null, { activation: 'leakyRelu', negativeSlope: 0 });
    expect([...(await y.data())]).toEqual([0, 2]);
    expect(y.isReluOutput).toBe(true);
    for (const negativeSlope of [-1, Number.NaN, Infinity, '1' as unknown as number]) {
      expect(() => linear(x, w, null, { activation: 'leakyRelu', negativeSlope })).toThrow(ArgumentError);
    }
    expect(() => linear(x, w, null, { activation: 'gelu' as 'relu' })).toThrow(/one of relu, .*tanh, but is "gelu"/);
    using image = tensor(device, [1], [1, 1, 1, 1]);
    expect(() => conv2d(image, image, null, { activation: 'elu' as 'relu' })).toThrow(ArgumentError);
  });
});
