import { expect, test } from 'vitest';
import {
  Add,
  ArgumentError,
  type Callback,
  Conv2D,
  Dense,
  Dropout,
  type FitOptions,
  Flatten,
  ImageLoader,
  input,
  Lambda,
  Layer,
  Model,
  mul,
  RandomFlip,
  Resizing,
  type Sequential,
  Sequential as SequentialModel,
  type Shape,
  type Tensor,
  type TrainingData,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { compiled, images, SHAPE } from '../support/frozen-network.ts';

describeOnDevice('cacheFeatures: errors', (device) => {
  const dense = () => new Dense({ units: 3, activation: 'softmax', name: 'out' });
  const refusalOf = async (all: Layer[], data?: TrainingData, fit: FitOptions = {}) => {
    using model = compiled(device, all);
    using loader = new ImageLoader(device, images);
    let hasBegun = false;
    const onTrainBegin = () => {
      hasBegun = true;
    };
    const callbacks: Callback[] = [{ onTrainBegin }];
    const error = await model.fit(data ?? loader, { cacheFeatures: true, callbacks, ...fit }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(hasBegun).toBe(false);
    return (error as Error).message;
  };
  const conv = (options: object = {}) =>
    new Conv2D({ filters: 2, kernelSize: 3, name: 'first', inputShape: SHAPE, ...options });

  test('throws if a model does not start with frozen layers', async () => {
    expect(await refusalOf([conv(), new Flatten(), dense()])).toBe(
      'fit: cacheFeatures stores the output of the frozen layers at the beginning of a model, but before any of them first (Conv2D) is trainable; ' +
        'freeze the layers from the first one (layer.trainable = false), or leave cacheFeatures out',
    );
    // First layers without weights are not a feature extractor: caching their output would only take memory.
    const resized = new Resizing({ height: 8, width: 8, inputShape: SHAPE });
    const net = new SequentialModel([resized, new Conv2D({ filters: 2, kernelSize: 3, name: 'inner' })], 'net');
    expect(await refusalOf([net, new Flatten(), dense()])).toMatch(
      /before any of them net \(Sequential\): inner \(Conv2D\) is trainable;/,
    );
  });

  test('throws for a random layer before the frozen layers, and for one that is not marked as deterministic', async () => {
    const drop = new Dropout(0.5, { inputShape: SHAPE, name: 'drop' });
    const rest = () => [conv({ trainable: false }), new Flatten(), dense()];
    expect(await refusalOf([drop, ...rest()])).toMatch(
      /but before any of them drop \(Dropout\) drops different values at each step; move it after/,
    );
    const flip = new RandomFlip({ inputShape: SHAPE, name: 'flip' });
    expect(await refusalOf([flip, ...rest()])).toMatch(
      /but before any of them flip \(RandomFlip\) changes images differently at each step, so their features change too; leave it out/,
    );
    const lambda = (deterministic?: boolean) =>
      new Lambda((x) => mul(x, 2), { inputShape: SHAPE, name: 'twice', ...(deterministic ? { deterministic } : {}) });
    expect(await refusalOf([lambda(), ...rest()])).toMatch(
      /before any of them twice \(Lambda\) is not marked as deterministic; if it returns the same values at each step, set deterministic/,
    );
    class Noise extends Layer {
      readonly kind = 'Noise';
      plan(inputShape: Shape) {
        return { outputShape: inputShape, weights: [] };
      }
      call(x: Tensor) {
        return x;
      }
    }
    expect(await refusalOf([new Noise({ inputShape: SHAPE }), ...rest()])).toMatch(
      /before any of them noise is not marked as deterministic/,
    );
    using model = compiled(device, [lambda(true), ...rest()]);
    using loader = new ImageLoader(device, images);
    expect((await model.fit(loader, { cacheFeatures: true })).epochs).toHaveLength(1);
  });

  test('throws if a branch leads past the frozen layers', async () => {
    const x = input(SHAPE);
    const features = new Conv2D({ filters: 2, kernelSize: 3, padding: 'same', trainable: false }).apply(x);
    const beside = new Conv2D({ filters: 2, kernelSize: 1, name: 'beside' }).apply(x);
    const outputs = new Add().apply([features, beside]);
    expect(await refusalOf([new Model({ inputs: x, outputs, name: 'net' }), new Flatten(), dense()])).toMatch(
      /but a branch leads past them to net \(Functional\): beside \(Conv2D\), which is not frozen; freeze/,
    );
  });

  test("throws if a model's class overrides how its layers are called", async () => {
    class Doubled extends SequentialModel {
      override callLogits(...args: Parameters<Sequential['callLogits']>): Tensor {
        return mul(super.callLogits(...args), 2);
      }
    }
    using model = new Doubled([conv({ trainable: false }), new Flatten(), dense()], 'doubled')
      .build(device)
      .compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    using loader = new ImageLoader(device, images);
    await expect(model.fit(loader, { cacheFeatures: true })).rejects.toThrow(
      /but the class of doubled overrides how they are called/,
    );
    // Inside another model it is a layer like any other, and is not marked as deterministic.
    const inner = new Doubled([conv({ name: 'inner' })], 'doubled');
    inner.trainable = false;
    expect(await refusalOf([inner, new Flatten(), dense()])).toMatch(
      /before any of them doubled \(Sequential\) is not marked as deterministic/,
    );
  });

  test('throws for streams and augmented samples, in training and validation', async () => {
    const all = () => [conv({ trainable: false }), new Flatten(), dense()];
    const batch = { x: Array.from({ length: 72 }, () => 0.5), y: [1] };
    const stream = () => [batch];
    expect(await refusalOf(all(), stream)).toMatch(
      /^fit: cacheFeatures .* a stream's samples may be different in each epoch; give them as/,
    );
    expect(await refusalOf(all(), undefined, { validationData: stream })).toMatch(
      /^fit: validationData: cacheFeatures .*stream/,
    );
    using loader = new ImageLoader(device, images);
    Object.assign(loader, { augmented: true });
    expect(await refusalOf(all(), loader)).toMatch(
      /but augmented samples are different in each epoch; give samples without augmentation/,
    );
    expect(await refusalOf(all(), undefined, { validationData: loader })).toMatch(/^fit: validationData: .*augmented/);
  });

  test('throws for options of the wrong type', async () => {
    const all = () => [conv({ trainable: false }), new Flatten(), dense()];
    for (const cacheFeatures of [1, 'yes', null]) {
      expect(await refusalOf(all(), undefined, { cacheFeatures: cacheFeatures as never })).toMatch(
        /^fit: cacheFeatures must be true, false or \{ adapterBytes \}, but is/,
      );
    }
    for (const adapterBytes of [-1, 0.5, '1 GB', Number.NaN]) {
      expect(await refusalOf(all(), undefined, { cacheFeatures: { adapterBytes: adapterBytes as never } })).toMatch(
        /^fit: adapterBytes of cacheFeatures must be a number of bytes from 0 up, but is/,
      );
    }
    expect(await refusalOf(all(), undefined, { cacheFeatures: { bytes: 3 } as never })).toMatch(
      /there is no option bytes/,
    );
  });
});
