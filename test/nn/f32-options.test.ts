import { describe, expect, test } from 'vitest';
import * as tg from '../../src/node.ts';
import {
  Adam,
  AdamW,
  ArgumentError,
  BatchNormalization,
  BinaryCrossentropy,
  CategoricalCrossentropy,
  Dense,
  Dropout,
  dropout,
  Huber,
  ImageLoader,
  initializers,
  LeakyReLU,
  LearningRateScheduler,
  type Optimizer,
  ReduceLROnPlateau,
  ReLU,
  Rescaling,
  RMSprop,
  regularizers,
  type Schedule,
  Sequential,
  SGD,
  schedules,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

// f32 represents magnitudes from 1.2e-38 (WGSL may flush smaller ones to 0) to 3.4e38.
const LARGE = 1e39;
const TINY = 1e-50;
const SUBNORMAL = 1e-40;

/** Functions that take a number, by its name in the message. */
const places: Record<string, (value: number) => unknown> = {
  'SGD: learningRate': (value) => new SGD({ learningRate: value }),
  'Adam: learningRate': (value) => new Adam({ learningRate: value }),
  'AdamW: learningRate': (value) => new AdamW({ learningRate: [0.1, value] }),
  'RMSprop: learningRate': (value) => new RMSprop({ learningRate: value }),
  'Adam: epsilon': (value) => new Adam({ epsilon: value }),
  'RMSprop: epsilon': (value) => new RMSprop({ epsilon: value }),
  'AdamW: weightDecay': (value) => new AdamW({ weightDecay: value }),
  'SGD: clipNorm': (value) => new SGD({ clipNorm: value }),
  'Adam: globalClipNorm': (value) => new Adam({ globalClipNorm: value }),
  'RMSprop: clipValue': (value) => new RMSprop({ clipValue: value }),
  'l1: l1': (value) => regularizers.l1(value),
  'Dense: kernelRegularizer: l2': (value) => new Dense({ units: 1, kernelRegularizer: { l1: 0, l2: [0.1, value] } }),
  'huber: delta': (value) => new Huber({ delta: value }),
  'ReLU: maxValue': (value) => new ReLU({ maxValue: value }),
  'ReLU: negativeSlope': (value) => new ReLU({ negativeSlope: value }),
  'LeakyReLU: negativeSlope': (value) => new LeakyReLU({ negativeSlope: value }),
  'Rescaling: scale': (value) => new Rescaling({ scale: value }),
  'Rescaling: offset': (value) => new Rescaling({ scale: 1, offset: -value }),
  'constant: value': (value) => initializers.constant(value),
  'randomNormal: stddev': (value) => initializers.randomNormal({ stddev: value }),
  'truncatedNormal: mean': (value) => initializers.truncatedNormal({ mean: value }),
  'randomUniform: max': (value) => initializers.randomUniform({ max: value }),
  'constant: rate': (value) => schedules.constant(value),
  'piecewiseConstantDecay: values': (value) =>
    schedules.piecewiseConstantDecay({ boundaries: [1], values: [0.1, value] }),
  'exponentialDecay: initialLearningRate': (value) =>
    schedules.exponentialDecay({ initialLearningRate: value, decaySteps: 1, decayRate: 0.5 }),
  'cosineDecay: warmupTarget': (value) =>
    schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 1, warmupTarget: value }),
  'warmUp: target': (value) => schedules.warmUp({ steps: 2, target: value }),
  'ReduceLROnPlateau: minLearningRate': (value) => new ReduceLROnPlateau({ minLearningRate: value }),
};
/** The same for fractions, which have no large values. */
const shares: Record<string, (value: number) => unknown> = {
  'SGD: momentum': (value) => new SGD({ momentum: value }),
  'RMSprop: momentum': (value) => new RMSprop({ momentum: value }),
  'RMSprop: rho': (value) => new RMSprop({ rho: value }),
  'Adam: beta1': (value) => new Adam({ beta1: value }),
  'Adam: beta2': (value) => new Adam({ beta2: value }),
  'BatchNormalization: epsilon': (value) => new BatchNormalization({ epsilon: value }),
  'BatchNormalization: momentum': (value) => new BatchNormalization({ momentum: value }),
  'Dropout: rate': (value) => new Dropout(value),
  'binaryCrossentropy: labelSmoothing': (value) => new BinaryCrossentropy({ labelSmoothing: value }),
  'categoricalCrossentropy: labelSmoothing': (value) => new CategoricalCrossentropy({ labelSmoothing: value }),
};

describe('numbers that f32 cannot represent: errors of options', () => {
  const expectRefused = (call: () => unknown, name: string) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(new RegExp(`^${name}.*32-bit float`));
  };

  test.each(Object.entries(places))('%s', (name, of) => {
    expectRefused(() => of(LARGE), name);
    expectRefused(() => of(TINY), name);
    expectRefused(() => of(SUBNORMAL), name);
    of(2e-38);
    of(3.4e38);
  });

  test.each(Object.entries(shares))('%s', (name, of) => {
    expectRefused(() => of(TINY), name);
    expectRefused(() => of(SUBNORMAL), name);
    of(2e-38);
  });

  test('throws for assigned rates, also by callbacks', () => {
    const sgd = new SGD();
    for (const wrong of [LARGE, TINY]) {
      expectRefused(() => {
        sgd.learningRate = wrong;
      }, 'SGD: learningRate');
      const scheduler = new LearningRateScheduler(() => wrong);
      expectRefused(() => scheduler.onEpochBegin({ epoch: 1, optimizer: sgd }), 'SGD: learningRate');
    }
    expect(sgd.learningRate).toBe(0.01);
    sgd.learningRate = 0;
  });

  test("a schedule's rates: throws if too large at any step, or too small at the first; later, too small rates are 0", () => {
    const rate = (
      schedule: (step: number) => number,
      t: number,
      make = (learningRate: Schedule): Optimizer => new SGD({ learningRate }),
    ) => make(schedule).ratesAt(t)[0];
    expectRefused(() => rate(() => LARGE, 1), "SGD: the schedule's learning rate at step 0");
    expectRefused(() => rate((step) => (step < 7 ? 0.1 : LARGE), 8), "SGD: the schedule's learning rate at step 7");
    expectRefused(() => rate(() => TINY, 1), "SGD: the schedule's learning rate at step 0");
    const decay = schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 1, decayRate: 0.1 });
    expect(rate(decay, 60)).toEqual({ rate: 0, stepSize: 0 });
    expect(rate(() => 0, 1)).toEqual({ rate: 0, stepSize: 0 });
    // Adam's first steps are larger or smaller than its rate.
    const adam = (beta1: number, beta2: number) => (learningRate: Schedule) => new Adam({ learningRate, beta1, beta2 });
    expectRefused(() => rate(() => 1e38, 1, adam(0.999, 0)), 'Adam: the step size at step 0');
    expectRefused(() => rate(() => 2e-38, 1, adam(0, 0.999)), 'Adam: the step size at step 0');
  });

  test('ReduceLROnPlateau: does not reduce below the smallest f32', () => {
    const optimizer = new SGD({ learningRate: 1e-37 });
    const reduce = new ReduceLROnPlateau({ monitor: 'loss', patience: 1, factor: 0.1 });
    reduce.onTrainBegin({ optimizer, monitored: ['loss'] });
    for (let epoch = 1; epoch < 5; epoch++) {
      reduce.onEpochEnd({ epoch, loss: 1, learningRate: 0, seconds: 1, samplesPerSecond: 1 });
    }
    expect(optimizer.learningRate).toBeGreaterThan(1.17e-38);
    expect(optimizer.learningRate).toBeLessThan(1.18e-38);
  });
});

describeOnDevice('numbers that f32 cannot represent', (device) => {
  const build = () => new Sequential([new Dense({ units: 2, activation: 'softmax', inputShape: [1] })]).build(device);

  test.each([LARGE, TINY])('class weights: %s', async (weight) => {
    using model = build().compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const data = { x: [1, 2], y: [0, 1] };
    const options = { classWeight: { 1: weight } };
    await expect(model.fit(data, options)).rejects.toThrow(/^fit: the weight of class 1 .*32-bit float/);
    await expect(model.trainOnBatch(data.x, data.y, options)).rejects.toThrow(/^trainOnBatch: .*32-bit float/);
  });

  test.each(['scale', 'offset'] as const)('%s of an ImageLoader', (what) => {
    const images = drawImages(2, { shape: [1, 1, 1], classes: 2 });
    for (const wrong of [LARGE, TINY]) {
      const make = () => new ImageLoader(device, images, { [what]: wrong });
      expect(make).toThrow(ArgumentError);
      expect(make).toThrow(new RegExp(`^ImageLoader: ${what} .*32-bit float`));
    }
  });

  const binary = { ...tg };
  const operators: Record<string, (x: Tensor, value: number) => Tensor> = {
    ...Object.fromEntries(
      (['add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'equal', 'less', 'greaterEqual', 'logicalAnd'] as const).map(
        (name) => [`${name}: the number`, (x: Tensor, value: number) => binary[name](x, value)],
      ),
    ),
    'sub: the number': (x, value) => tg.sub(value, x),
    'power: exponent': (x, value) => tg.pow(x, value),
    'pow: the number': (x, value) => tg.pow(value as unknown as Tensor, x as unknown as number),
    'clip: min': (x, min) => tg.clip(x, { min }),
    'clip: max': (x, max) => tg.clip(x, { max }),
    'elu: alpha': (x, alpha) => tg.elu(x, { alpha }),
    'leakyRelu: negativeSlope': (x, negativeSlope) => tg.leakyRelu(x, { negativeSlope }),
    'pad: the number': (x, value) => tg.pad(x, [[1, 1]], { value }),
  };
  test.each(Object.entries(operators))('together with a tensor, %s', (name, of) => {
    using x = tensor(device, [1], [1]);
    for (const wrong of [LARGE, -LARGE, TINY, SUBNORMAL]) {
      expect(() => of(x, wrong)).toThrow(ArgumentError);
      expect(() => of(x, wrong)).toThrow(new RegExp(`^${name} is .*32-bit float`));
    }
    for (const right of [0, 2e-38, 3.4e38, Number.POSITIVE_INFINITY]) of(x, right).dispose();
  });

  test('tensor: throws for data that would become infinite; rounds data to 0', async () => {
    const maxF32 = (2 - 2 ** -23) * 2 ** 127; // the largest f32, and half a step beyond, which rounds up
    for (const [data, said] of [
      [[1, LARGE], '1e+39 at position 1'],
      [[[-LARGE], [1]], '-1e+39 at position 0'],
      [Float64Array.of(1, maxF32 + 2 ** 103), `${maxF32 + 2 ** 103} at position 1`],
    ] as const) {
      const make = () => tensor(device, data as unknown as number[], Array.isArray(data[0]) ? [2, 1] : [2]);
      expect(make).toThrow(ArgumentError);
      expect(make).toThrow(`tensor: ${said} does not fit f32`);
    }
    using x = tensor(
      device,
      [maxF32, -maxF32, maxF32 + 2 ** 102, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-50],
      [6],
    );
    expect([...(await x.data())]).toEqual([
      maxF32,
      -maxF32,
      maxF32,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      0,
    ]);
    using nan = tensor(device, [Number.NaN], [1]);
    expect(await nan.item()).toBeNaN();
    const given = Float32Array.of(LARGE); // infinite input values are allowed
    using y = tensor(device, given, [1]);
    expect(await y.item()).toBe(Number.POSITIVE_INFINITY);
  });

  test('dropout: throws for rates that f32 cannot represent', () => {
    using x = tensor(device, [1], [1]);
    expect(() => dropout(x, { rate: TINY })).toThrow(/^dropout: rate .*32-bit float/);
  });
});
