import { expect, test } from 'vitest';
import { Adam, ArgumentError, ImageLoader, mobileNetV2, ShapeError } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const trainable = (summary: string) => summary.split('\n').at(-2);

// The counts are those of keras.applications.MobileNetV2, which also counts its input as a layer.
test('mobileNetV2: has the layers and parameters of Keras', () => {
  const model = mobileNetV2();
  expect(model.countParams()).toBe(3_538_984);
  expect(trainable(model.summary())).toMatch(/^Trainable params: 3,504,872 /);
  expect(model.layers).toHaveLength(155);
  expect(model.outputShape).toEqual([1000]);
  const features = mobileNetV2({ includeTop: false });
  expect(features.countParams()).toBe(2_257_984);
  expect(features.layers).toHaveLength(153);
  expect(features.outputShape).toEqual([7, 7, 1280]);
  expect(features.getLayer('block_16_project_BN').kind).toBe('BatchNormalization');
  const connected = features
    .summary()
    .split('\n')
    .find((line) => line.startsWith('block_15_add'));
  expect(connected?.split(/ {2,}/).at(-1)).toBe('block_14_add, block_15_project_BN');
});

test('mobileNetV2: alpha scales the filters; images of odd size are padded as in Keras', () => {
  expect(mobileNetV2({ alpha: 0.35, includeTop: false }).countParams()).toBe(410_208);
  expect(mobileNetV2({ alpha: 1.4, includeTop: false }).outputShape).toEqual([7, 7, 1792]);
  expect(mobileNetV2({ inputShape: [97, 65, 3], includeTop: false, alpha: 0.35 }).outputShape).toEqual([4, 3, 1280]);
});

test('mobileNetV2: throws for impossible options', () => {
  expect(() => mobileNetV2({ alpha: 0 })).toThrow(ArgumentError);
  expect(() => mobileNetV2({ inputShape: [224, 224] })).toThrow(ShapeError);
});

describeOnDevice('MobileNetV2', (device) => {
  test('fit: decreases the loss of a small network on images of two classes', async () => {
    const model = mobileNetV2({ inputShape: [32, 32, 3], alpha: 0.35, classes: 2 }).build(device, { seed: 1 });
    model.compile({ optimizer: new Adam({ learningRate: 0.001 }), loss: 'sparseCategoricalCrossentropy' });
    const data = new ImageLoader(device, drawImages(16, { classes: 2 }));
    const { epochs } = await model.fit(data, { epochs: 10, batchSize: 16, seed: 2 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.5 * epochs[0]!.loss);
    model.dispose();
  });
});
