import { expect, test } from 'vitest';
import {
  ArgumentError,
  Dense,
  Flatten,
  type Layer,
  RandomContrast,
  RandomCrop,
  RandomErasing,
  RandomFlip,
  RandomRotation,
  RandomTranslation,
  RandomZoom,
  Sequential,
  ShapeError,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

// biome-ignore lint/suspicious/noExplicitAny: what plain JavaScript may hand over
const as = (value: unknown) => value as any;
const factors = { heightFactor: 0.1, widthFactor: 0.1 };

test.each<[what: string, make: () => Layer, says: string]>([
  [
    'an unknown mode',
    () => new RandomFlip({ mode: as('horizontal_and_vertical') }),
    'RandomFlip: mode must be one of horizontal, vertical, horizontalAndVertical, but is "horizontal_and_vertical"',
  ],
  [
    'a factor above a full turn',
    () => new RandomRotation({ factor: 1.5 }),
    'RandomRotation: factor must be a number from -1 to 1, or two as [lower, upper], but is 1.5',
  ],
  [
    'degrees',
    () => new RandomRotation({ factor: [-10, 10] }),
    'RandomRotation: factor must be a number from -1 to 1, or two as [lower, upper], but is [-10,10]',
  ],
  [
    'a missing factor',
    () => new RandomRotation(as({})),
    'RandomRotation: factor must be a number from -1 to 1, or two as [lower, upper], but is undefined',
  ],
  [
    'one factor of two',
    () => new RandomTranslation(as({ heightFactor: 0.1 })),
    'RandomTranslation: widthFactor must be a number from -1 to 1, or two as [lower, upper], but is undefined',
  ],
  [
    'a list of one',
    () => new RandomTranslation({ ...factors, heightFactor: as([0.1]) }),
    'RandomTranslation: heightFactor must be a number from -1 to 1, or two as [lower, upper], but is [0.1]',
  ],
  [
    'NaN',
    () => new RandomZoom({ heightFactor: Number.NaN }),
    'RandomZoom: heightFactor must be a number from -1 to 1, or two as [lower, upper], but is NaN',
  ],
  [
    'text',
    () => new RandomZoom({ ...factors, widthFactor: as('0.1') }),
    'RandomZoom: widthFactor must be a number from -1 to 1, or two as [lower, upper], but is "0.1"',
  ],
  [
    'a number so small that kernels take it for 0',
    () => new RandomZoom({ heightFactor: 1e-40 }),
    'RandomZoom: heightFactor is 1e-40, which counts as 0 in the 32-bit floats that kernels calculate with; ' +
      'give a number from 1.2e-38 to 3.4e38 in size, or 0 where that is allowed',
  ],
  [
    'a fill mode of NumPy',
    () => new RandomTranslation({ ...factors, fillMode: as('mirror') }),
    'RandomTranslation: fillMode must be one of constant, nearest, reflect, wrap, but is "mirror"',
  ],
  [
    'an unknown interpolation',
    () => new RandomZoom({ ...factors, interpolation: as('bicubic') }),
    'RandomZoom: interpolation must be one of bilinear, nearest, but is "bicubic"',
  ],
  [
    'a fill value that is not a number',
    () => new RandomZoom({ ...factors, fillValue: as(null) }),
    'RandomZoom: fillValue must be a number, but is null',
  ],
  [
    'a negative contrast',
    () => new RandomContrast({ factor: [-0.1, 0.2] }),
    'RandomContrast: factor must be a number from 0 to 1, or two as [lower, upper], but is [-0.1,0.2]',
  ],
  [
    'a range of one value',
    () => new RandomContrast({ factor: 0.1, valueRange: [1, 1] }),
    'RandomContrast: valueRange must be [low, high], the smallest and the largest value of a pixel, but is [1,1]',
  ],
  [
    'a range without an end',
    () => new RandomErasing({ valueRange: as([0]) }),
    'RandomErasing: valueRange must be [low, high], the smallest and the largest value of a pixel, but is [0]',
  ],
  [
    'a fraction above 1',
    () => new RandomErasing({ scale: [0, 2] }),
    'RandomErasing: scale must be a number from 0 to 1, or two as [lower, upper], but is [0,2]',
  ],
  [
    'a value that is not a number',
    () => new RandomErasing({ fillValue: as('random') }),
    'RandomErasing: fillValue must be a number, a list with one for each channel, or null for noise, but is "random"',
  ],
  [
    'an empty list of values',
    () => new RandomErasing({ fillValue: [] }),
    'RandomErasing: fillValue must be a number, a list with one for each channel, or null for noise, but is []',
  ],
  [
    'half a pixel',
    () => new RandomCrop({ height: 1.5, width: 2 }),
    'RandomCrop: height must be a positive integer, but is 1.5',
  ],
  [
    'an impossible seed',
    () => new RandomFlip({ seed: -1 }),
    "RandomFlip: seed must be an integer from 0 to 2^32 - 1, or null for the layer's index in the model, but is -1",
  ],
  [
    'a misspelled option',
    () => new RandomRotation(as({ factor: 0.1, fill_mode: 'wrap' })),
    'RandomRotation: there is no option fill_mode; did you mean fillMode? There are factor, fillMode, fillValue, inputShape, ' +
      'interpolation, name, recompute, seed, trainable',
  ],
])('throws for %s', (_, make, says) => {
  const error = (() => {
    try {
      return make();
    } catch (reason) {
      return reason;
    }
  })();
  expect(error).toBeInstanceOf(ArgumentError);
  expect((error as Error).message).toBe(says);
});

const kinds: [string, (more: object) => Layer][] = [
  ['RandomFlip', (more) => new RandomFlip(more)],
  ['RandomTranslation', (more) => new RandomTranslation({ ...factors, ...more })],
  ['RandomRotation', (more) => new RandomRotation({ factor: 0.1, ...more })],
  ['RandomZoom', (more) => new RandomZoom({ heightFactor: 0.1, ...more })],
  ['RandomContrast', (more) => new RandomContrast({ factor: 0.1, ...more })],
  ['RandomErasing', (more) => new RandomErasing(more)],
  ['RandomCrop', (more) => new RandomCrop({ height: 2, width: 2, ...more })],
];

test.each(kinds)('%s: throws for samples that are not images, and for too large images', (kind, make) => {
  const buildWith = (inputShape: number[]) => () =>
    new Sequential([make({ inputShape }), new Flatten(), new Dense({ units: 1 })]);
  for (const shape of [[4], [4, 4], [4, 4, 4, 1]]) {
    expect(buildWith(shape)).toThrow(ShapeError);
    expect(buildWith(shape)).toThrow(`${kind}: needs samples of shape [height, width, channels], but gets [${shape}]`);
  }
  expect(buildWith([8193, 4, 1])).toThrow(ShapeError);
  expect(buildWith([8193, 4, 1])).toThrow(
    `${kind}: takes images of at most 8192 pixels a side, but gets [8193,4,1]; resize them first`,
  );
});

test('RandomCrop: throws for images smaller than its window', () => {
  for (const inputShape of [
    [4, 6, 1],
    [5, 5, 1],
  ]) {
    // biome-ignore format: as pairs
    const make = () => new Sequential([new RandomCrop({ height: 5, width: 6, inputShape })]);
    expect(make).toThrow(ShapeError);
    expect(make).toThrow(
      `RandomCrop: cannot take 5 x 6 pixels out of samples of [${inputShape}]; give a smaller height and width, or resize or pad them first`,
    );
  }
  expect(new Sequential([new RandomCrop({ height: 5, width: 6, inputShape: [5, 6, 1] })]).outputShape).toEqual([
    5, 6, 1,
  ]);
});

test('RandomErasing: throws if fillValue does not have a value for each channel', () => {
  const make = () => new Sequential([new RandomErasing({ fillValue: [1, 2], inputShape: [4, 4, 3] })]);
  expect(make).toThrow(ShapeError);
  expect(make).toThrow('RandomErasing: fillValue has values for 2 channels, but samples are [4,4,3]');
});

describeOnDevice('errors of a call', (device) => {
  test.each(kinds)('%s: throws for tensors of integers, and tensors that are not a batch of images', (kind, make) => {
    const context = { weights: [], training: true, random: { seed: 1, layer: 0, step: 1 } };
    using integers = tensor(device, new Array(16).fill(1), [1, 4, 4, 1], { dtype: 'u32' });
    expect(() => make({}).call(integers, context)).toThrow(ArgumentError);
    expect(() => make({}).call(integers, context)).toThrow(`${kind}: the input must be f32, but is u32`);
    using row = tensor(device, new Array(16).fill(1), [4, 4]);
    expect(() => make({}).call(row, context)).toThrow(ShapeError);
    expect(() => make({}).call(row, context)).toThrow(`${kind}: the input must have rank 4`);
  });

  test.each(kinds)('%s: throws for invalid seeds and steps', (kind, make) => {
    using model = new Sequential([make({ inputShape: [4, 4, 1] })]).build(device, { replicas: 2 });
    using x = tensor(device, new Array(32).fill(1), [1, 4, 4, 1], { models: 2 });
    const call = (options: object) => () => model.call(x, { training: true, ...options });
    expect(call({ seed: -1 })).toThrow(ArgumentError);
    expect(call({ seed: -1 })).toThrow(`${kind}: seed must be an integer from 0 to 2^53 - 1, but is -1`);
    expect(call({ step: 0.5 })).toThrow(ArgumentError);
    expect(call({ step: 0.5 })).toThrow(`${kind}: step must be an integer from 0 up or a StepState, but is 0.5`);
    expect(call({ seed: [1, 5, 9] })).toThrow(ShapeError);
    expect(call({ seed: [1, 5, 9] })).toThrow(`${kind}: 3 seeds are for as many replicas, but the input has 2`);
  });
});
