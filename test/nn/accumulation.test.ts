import { expect, test } from 'vitest';
import {
  Adam,
  AdamW,
  ArgumentError,
  BatchNormalization,
  compileStep,
  Dense,
  Dropout,
  type Optimizer,
  type OptimizerOptions,
  RMSprop,
  regularizers,
  Sequential,
  SGD,
  softmaxCrossEntropy,
  tensor,
} from '../../src/node.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { adamwStep, clip, rmspropStep, type Slots, sgdStep, slotsOf } from '../reference/optimizers.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';
import { optimizerBench } from '../support/optimizer-bench.ts';
import { random } from '../support/random.ts';

/** Weights of several blocks, with a gap behind the first, and a single element. */
const SHAPES = [[7, 9], [130], [1]];

const gradientsAt = (t: number): NdArray[] => SHAPES.map((shape, k) => map(drawLike(shape, 100 * k + t), Math.fround));

/** Means in float64 of the gradients of steps `first` to `last`. */
const meansOf = (first: number, last: number): NdArray[] =>
  SHAPES.map((shape, k) => {
    const mean = ndarray(shape);
    for (let t = first; t <= last; t++) {
      const { data } = gradientsAt(t)[k]!;
      for (const [i, g] of data.entries()) mean.data[i]! += g / (last - first + 1);
    }
    return mean;
  });

type Create = (options: OptimizerOptions) => Optimizer;
type Reference = (weight: NdArray, grad: NdArray, slots: Slots, t: number) => void;
const optimizers: [name: string, create: Create, reference: Reference][] = [
  ['SGD', (o) => new SGD(o), (w, g, s, t) => sgdStep(w, g, s, t, {})],
  [
    'SGD with momentum',
    (o) => new SGD({ ...o, momentum: 0.9 }),
    (w, g, s, t) => sgdStep(w, g, s, t, { momentum: 0.9 }),
  ],
  ['Adam', (o) => new Adam(o), (w, g, s, t) => adamwStep(w, g, s, t, { weightDecay: 0 })],
  ['AdamW', (o) => new AdamW(o), (w, g, s, t) => adamwStep(w, g, s, t, {})],
  ['RMSprop', (o) => new RMSprop(o), (w, g, s, t) => rmspropStep(w, g, s, t, {})],
  [
    'RMSprop, centered, with momentum',
    (o) => new RMSprop({ ...o, centered: true, momentum: 0.5 }),
    (w, g, s, t) => rmspropStep(w, g, s, t, { centered: true, momentum: 0.5 }),
  ],
];

const SAMPLES = 32;
const FEATURES = 10;

function drawSamples() {
  const { normal, integer } = random(7);
  return {
    x: Float32Array.from({ length: SAMPLES * FEATURES }, () => normal()),
    y: Uint32Array.from({ length: SAMPLES }, () => integer(0, 2)),
  };
}

const mlp = () =>
  new Sequential([
    new Dense({ units: 16, activation: 'relu', inputShape: [FEATURES], kernelRegularizer: regularizers.l2(0.01) }),
    new Dense({ units: 3, activation: 'softmax' }),
  ]);
const withDropout = () =>
  new Sequential([
    new Dense({ units: 16, activation: 'relu', inputShape: [FEATURES] }),
    new BatchNormalization(),
    new Dropout(0.3),
    new Dense({ units: 3, activation: 'softmax' }),
  ]);

describeOnDevice('gradient accumulation', (device) => {
  test.each(optimizers)('%s updates by the mean of 2, 3 and 4 gradients', async (_name, create, reference) => {
    for (const steps of [2, 3, 4]) {
      const { start, step, weights, dispose } = optimizerBench(
        device,
        SHAPES,
        create({ gradientAccumulationSteps: steps }),
      );
      const expected = start.map(({ shape, data }) => ndarray(shape, data));
      const slots = expected.map(slotsOf);
      let before = await weights();
      for (let t = 1; t <= 5 * steps; t++) {
        step(gradientsAt(t));
        const found = await weights();
        if (t % steps !== 0) {
          for (const [k, bits] of found.entries()) expectSameBits(bits, before[k]!, `w${k} at step ${t} of ${steps}`);
          continue;
        }
        meansOf(t - steps + 1, t).forEach((mean, k) => {
          reference(expected[k]!, mean, slots[k]!, t / steps);
        });
        for (const [k, values] of found.entries()) {
          expectClose(values, expected[k]!.data, { rtol: 3e-6, atol: 3e-6 }, `w${k} at step ${t} of ${steps}`);
          expect(Array.from(values)).not.toEqual(Array.from(before[k]!));
        }
        before = found;
      }
      dispose();
    }
  });

  test('the mean is clipped, not the gradients of each step', async () => {
    for (const options of [{ clipNorm: 0.3 }, { globalClipNorm: 0.4 }, { clipValue: 0.1 }]) {
      const optimizer = new SGD({ learningRate: 1, gradientAccumulationSteps: 2, ...options });
      const { start, step, weights, dispose } = optimizerBench(device, SHAPES, optimizer);
      step(gradientsAt(1));
      step(gradientsAt(2));
      const clipped = clip(meansOf(1, 2), options);
      for (const [k, values] of (await weights()).entries()) {
        const expected = start[k]!.data.map((w, i) => w - clipped[k]!.data[i]!);
        expectClose(values, expected, { rtol: 1e-6, atol: 1e-6 }, `w${k}, ${JSON.stringify(options)}`);
      }
      dispose();
    }
  });

  test('a frozen weight keeps its bits, and the others have those without it', async () => {
    const run = async (frozen: number) => {
      const { start, step, weights, dispose } = optimizerBench(
        device,
        SHAPES,
        new Adam({ gradientAccumulationSteps: 2 }),
        { frozen },
      );
      for (let t = 1; t <= 4; t++) step(gradientsAt(t));
      const found = await weights();
      dispose();
      return { start, found };
    };
    const { start, found } = await run(1);
    const { found: all } = await run(-1);
    expectSameBits(found[1]!, Float32Array.from(start[1]!.data), 'the frozen weight');
    for (const k of [0, 2]) expectSameBits(found[k]!, all[k]!, `w${k}`);
  });

  test('schedules count updates', () => {
    const asked: number[] = [];
    const optimizer = new SGD({
      gradientAccumulationSteps: 3,
      learningRate: (step) => {
        asked.push(step);
        return 0.1;
      },
    });
    for (let t = 1; t <= 7; t++) optimizer.ratesAt(t);
    expect(asked).toEqual([0, 0, 0, 1, 1, 1, 2]);
  });

  const compiled = (build: () => Sequential, options: OptimizerOptions, learningRate = 0.01) => {
    const model = build().build(device, { seed: 5 });
    model.compile({
      optimizer: new Adam({ learningRate, ...options }),
      loss: 'sparseCategoricalCrossentropy',
    });
    return model;
  };
  const bitsOf = async (model: Sequential) =>
    (await model.getWeights()).flatMap(({ data }) => Array.from(new Uint32Array(data.buffer)));

  test('fit: four batches of 8 train as one of 32 does, also across the end of an epoch', async () => {
    const train = async (options: OptimizerOptions, batchSize: number, epochs: number) => {
      const model = compiled(mlp, options);
      await model.fit(drawSamples(), { epochs, batchSize, shuffle: false });
      const weights = await model.getWeights();
      const { iterations } = model.training.optimizer;
      model.dispose();
      return { weights: weights.map(({ data }) => data), iterations };
    };
    const whole = await train({}, 32, 6);
    for (const [steps, batchSize, epochs] of [
      [4, 8, 6],
      [8, 8, 12], // an update every two epochs
    ] as const) {
      const parts = await train({ gradientAccumulationSteps: steps }, batchSize, epochs);
      expect(parts.iterations).toBe((epochs * SAMPLES) / batchSize);
      for (const [k, values] of parts.weights.entries()) {
        expectClose(values, whole.weights[k]!, { rtol: 1e-4, atol: 1e-4 }, `weight ${k}, ${steps} steps`);
      }
    }
  });

  test('fit, trainOnBatch, a custom loop and a compiled step have the same bits', async () => {
    const options = { gradientAccumulationSteps: 2 };
    const { x, y } = drawSamples();
    const batches = Array.from({ length: 4 }, (_, i) => ({
      x: x.slice(i * 8 * FEATURES, (i + 1) * 8 * FEATURES),
      y: y.slice(i * 8, (i + 1) * 8),
    }));
    const fitted = compiled(withDropout, options);
    await fitted.fit({ x, y }, { epochs: 1, batchSize: 8, shuffle: false });
    const expected = await bitsOf(fitted);

    const single = compiled(withDropout, options);
    for (const batch of batches) await single.trainOnBatch(batch.x, batch.y);
    expect(await bitsOf(single)).toEqual(expected);

    for (const isCompiled of [false, true]) {
      const model = withDropout();
      model.build(device, { seed: 5 });
      const optimizer = new Adam({ learningRate: 0.01, parameters: model.parameters, ...options });
      const body = (input: ReturnType<typeof tensor>, labels: ReturnType<typeof tensor>) => {
        const loss = softmaxCrossEntropy(model.callLogits(input, { training: true }), labels);
        loss.backward();
        optimizer.step();
        optimizer.clearGrad();
        return loss;
      };
      const step = isCompiled ? compileStep(device, body) : null;
      for (const batch of batches) {
        const input = tensor(device, batch.x, [8, FEATURES]);
        const labels = tensor(device, batch.y, [8], { dtype: 'u32' });
        (step ?? body)(input, labels);
        input.dispose();
        labels.dispose();
      }
      expect(await bitsOf(model), `compiled: ${isCompiled}`).toEqual(expected);
      step?.dispose();
      optimizer.dispose();
      model.dispose();
    }
    fitted.dispose();
    single.dispose();
  });

  test('replicas with different rates have the bits of single models', async () => {
    const { x, y } = drawSamples();
    const rates = [0.01, 0.003];
    const train = async (learningRate: number | number[], replicas: number) => {
      const model = mlp().build(device, { seed: 5 });
      const optimizer = new Adam({ learningRate, gradientAccumulationSteps: 2 });
      model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
      await model.fit({ x, y }, { epochs: 2, batchSize: 8, shuffle: false, replicas, seed: 1 });
      return model;
    };
    const both = await train(rates, 2);
    for (const [r, rate] of rates.entries()) {
      if (r > 0) continue; // later replicas draw other first weights
      const alone = await train(rate, 1);
      const [found, expected] = await Promise.all([both.getWeights(), alone.getWeights()]);
      for (const [k, { data }] of expected.entries())
        expectSameBits(found[k]!.data.slice(0, data.length), data, `weight ${k}`);
      alone.dispose();
    }
    both.dispose();
  });

  test.each([0, 1, -2, 2.5, Number.NaN, '2', null])('throws for %s steps', (steps) => {
    const options = { gradientAccumulationSteps: steps } as OptimizerOptions;
    for (const create of [() => new SGD(options), () => new Adam(options), () => new RMSprop(options)]) {
      expect(create).toThrow(ArgumentError);
      expect(create).toThrow(/gradientAccumulationSteps must be an integer of 2 or more/);
    }
  });
});
