import { describe, expect, test } from 'vitest';
import {
  Adam,
  AdamW,
  Add,
  ArgumentError,
  BatchNormalization,
  BinaryCrossentropy,
  Conv2D,
  CustomLoss,
  Dense,
  Dropout,
  type EpochLogs,
  Flatten,
  Huber,
  ImageLoader,
  input,
  Lambda,
  type Layer,
  Model,
  mean,
  type Optimizer,
  type Rate,
  type Regularizer,
  RMSprop,
  regularizers,
  relu,
  Sequential,
  SGD,
  schedules,
  type Tensor,
} from '../../src/node.ts';
import { groupTrials, reasonAlone, takeReplicas, togetherModel } from '../../src/search/together.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

interface Numbers {
  units?: number;
  rate?: Rate;
  dropout?: number;
  penalty?: Regularizer | 'l2' | null;
  optimizer?: (learningRate: Rate) => Optimizer;
}

const mlp = ({ units = 7, rate = 0.1, dropout = 0.2, penalty, optimizer }: Numbers = {}): Model =>
  new Sequential([
    new Flatten({ inputShape: [6, 6, 1] }),
    new Dense({ units, activation: 'relu', ...(penalty === undefined ? {} : { kernelRegularizer: penalty }) }),
    new Dropout(dropout),
    new Dense({ units: 3, activation: 'softmax' }),
  ]).compile({
    optimizer: (optimizer ?? ((learningRate) => new SGD({ learningRate, momentum: 0.9 })))(rate),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['f1'],
  });

/** A branch, a model inside, batch normalization and a frozen layer. */
const branchedModel = ({ rate = 0.01, dropout = 0, penalty = null }: Numbers = {}): Model => {
  const x = input([6, 6, 1]);
  const inner = new Sequential([
    new Conv2D({ filters: 4, kernelSize: 3, kernelRegularizer: penalty, inputShape: [6, 6, 1] }),
    new BatchNormalization({ gammaRegularizer: penalty }),
    new Dropout(dropout),
    new Flatten(),
  ]);
  const side = new Dense({ units: 5, trainable: false }).apply(new Flatten().apply(x));
  const joined = new Dense({ units: 5, activation: 'tanh' }).apply(inner.apply(x));
  const outputs = new Dense({ units: 3, activation: 'softmax', kernelRegularizer: penalty });
  const dropped = new Dropout(dropout).apply(new Add().apply([joined, side]));
  const model = new Model({ inputs: x, outputs: outputs.apply(dropped) });
  return model.compile({ optimizer: new Adam({ learningRate: rate }), loss: 'sparseCategoricalCrossentropy' });
};

const numbers: Numbers[] = [
  { rate: 0.1, dropout: 0.2 },
  { rate: 0.02, dropout: 0, penalty: 'l2' },
  { rate: 0.3, dropout: 0.6, penalty: regularizers.l1l2({ l1: 0.003, l2: 0 }) },
];
const SEEDS = [40, 3, 17];
const withoutTimes = ({ seconds: _, samplesPerSecond: __, ...figures }: EpochLogs) => figures;

describe('models that can be trained together', () => {
  const groups = (models: Model[], maxSize = 8) => groupTrials(models, maxSize);

  test('models that differ only in rate, penalty and dropout are one group', () => {
    expect(groups(numbers.map((one) => mlp(one)))).toEqual([[0, 1, 2]]);
    expect(groups(numbers.map((one) => branchedModel(one)))).toEqual([[0, 1, 2]]);
    expect(groups([])).toEqual([]);
  });

  test('a group has at most the given number, in order; the others start another group', () => {
    const units = [7, 9, 7, 7, 9, 7, 7, 8];
    const models = () => units.map((one, i) => mlp({ units: one, rate: 0.01 * (i + 1) }));
    expect(groups(models())).toEqual([[0, 2, 3, 5, 6], [1, 4], [7]]);
    expect(groups(models(), 2)).toEqual([[0, 2], [1, 4], [3, 5], [6], [7]]);
    expect(groups(models(), 1)).toEqual(units.map((_, i) => [i]));
  });

  const other = (change: (model: Model) => Model): Model => change(mlp());
  const compiledModel = (options: Partial<Parameters<Model['compile']>[0]>) =>
    other((model) => model.compile({ optimizer: new SGD({ momentum: 0.9 }), ...same, ...options }));
  const same = { loss: 'sparseCategoricalCrossentropy', metrics: ['f1'] } as const;
  test.each<[what: string, make: () => Model, says: RegExp]>([
    ['units', () => mlp({ units: 8 }), /layers\.1\.config\.units was 7 and is 8/],
    ['an optimizer', () => compiledModel({ optimizer: 'adam' }), /optimizer\.name was "sgd" and is "adam"/],
    [
      'its options',
      () => compiledModel({ optimizer: new SGD({ momentum: 0.5 }) }),
      /optimizer\.momentum was 0\.9 and is 0\.5/,
    ],
    [
      'clipping',
      () => compiledModel({ optimizer: new SGD({ momentum: 0.9, clipNorm: 1 }) }),
      /clipNorm was none and is 1/,
    ],
    ['a loss', () => compiledModel({ loss: 'categoricalCrossentropy' }), /loss\.name was "sparse/],
    ['metrics', () => compiledModel({ metrics: [] }), /metrics\.0 was "f1" and is none/],
    ['a frozen layer', () => other(freeze), /trainable was none and is false/],
    [
      'a name',
      () => new Sequential(mlp().layers as Layer[], 'mine').compile({ optimizer: new SGD({ momentum: 0.9 }), ...same }),
      /name/,
    ],
  ])('are not those that differ in %s', (_, make, says) => {
    expect(groups([mlp(), make(), mlp()])).toEqual([[0, 2], [1]]);
    expect(() => togetherModel([mlp(), make()])).toThrow(ArgumentError);
    expect(() => togetherModel([mlp(), make()])).toThrow(/model 1 differs from model 0.* train them separately/);
    expect(() => togetherModel([mlp(), make()])).toThrow(says);
  });
  const freeze = (model: Model) => {
    model.layers[1]!.trainable = false;
    return model;
  };

  class Own extends Adam {}
  class Doubled extends Dense {
    override readonly kind = 'Doubled' as 'Dense';
  }
  const net = (...layers: Layer[]) =>
    new Sequential([new Dense({ units: 2, inputShape: [2] }), ...layers]).compile({
      ...{ optimizer: 'sgd', loss: 'meanSquaredError' },
    });
  test.each<[what: string, make: () => Model, says: RegExp]>([
    ['a function as a layer', () => net(new Lambda((x: Tensor) => relu(x))), /Lambda/],
    ['a layer of a custom class', () => net(new Doubled({ units: 2 })), /Doubled/],
    [
      'a custom initializer',
      () => net(new Dense({ units: 2, kernelInitializer: (shape) => new Float32Array(shape[0]! * shape[1]!) })),
      /kernelInitializer is a function/,
    ],
    ['an optimizer of a custom class', () => net().compile({ optimizer: new Own(), loss: 'huber' }), /optimizer adam/],
    [
      'rates of replicas',
      () => net().compile({ optimizer: new SGD({ learningRate: [1, 2] }), loss: 'huber' }),
      /learning rates of several replicas/,
    ],
    ['dropout rates of replicas', () => net(new Dropout([0.1, 0.2])), /numbers of several replicas/],
    [
      'penalties of replicas',
      () => net(new Dense({ units: 2, kernelRegularizer: regularizers.l2([1, 2]) })),
      /numbers of several replicas/,
    ],
  ])('%s must be trained alone', (_, make, says) => {
    expect(reasonAlone(make())).toMatch(says);
    expect(groups([make(), make()])).toEqual([[0], [1]]);
    expect(() => togetherModel([make()])).toThrow(/^togetherModel: model 0 has to be trained alone: /);
    expect(() => togetherModel([make()])).toThrow(says);
  });

  test('losses are equal by name and settings, functions by identity', () => {
    const f = (y: Tensor, target: Tensor) => mean(y.device === target.device ? y : target);
    const by = (loss: Parameters<Model['compile']>[0]['loss']) =>
      new Sequential([new Dense({ units: 2, inputShape: [2] })]).compile({ optimizer: 'sgd', loss });
    expect(groups([by('huber'), by(new Huber()), by(new Huber({ delta: 2 }))])).toEqual([[0, 1], [2]]);
    expect(groups([by(f), by(f), by((y) => mean(y)), by((y) => mean(y))])).toEqual([[0, 1], [2], [3]]);
    expect(groups([by(new CustomLoss(f)), by(new CustomLoss(f, 'custom', 'labels'))])).toEqual([[0], [1]]);
    const modelWithSmoothing = (labelSmoothing: number) =>
      by(new BinaryCrossentropy({ fromLogits: true, labelSmoothing }));
    expect(groups([modelWithSmoothing(0.1), modelWithSmoothing(0.1), modelWithSmoothing(0.2)])).toEqual([[0, 1], [2]]);
    expect(() => togetherModel([by((y) => mean(y)), by((y) => mean(y))])).toThrow(/losses custom are two functions/);
  });

  test.each<[what: string, call: () => unknown, says: RegExp]>([
    ['no list', () => groupTrials(mlp() as never, 2), /takes a list of models/],
    ['no model', () => groupTrials([{} as Model], 2), /entry 0 is not a model/],
    [
      'an uncompiled model',
      () => groupTrials([new Sequential([new Dense({ units: 1, inputShape: [1] })])], 2),
      /compile/,
    ],
    ['groups of zero models', () => groupTrials([mlp()], 0), /maxSize must be a positive integer, but is 0/],
    ['no models', () => togetherModel([]), /at least one/],
    ['half an execution', () => togetherModel([mlp()], { executions: 0.5 }), /executions must be a positive integer/],
    ['an unknown option', () => togetherModel([mlp()], { replicas: 2 } as object), /no option replicas/],
  ])('throws for %s', (_, call, says) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(says);
  });
});

describeOnDevice('models trained together', (device) => {
  const images = drawImages(22, { classes: 3, shape: [6, 6, 1] });
  const options = { epochs: 3, batchSize: 8, validationSplit: 0.25 };
  const weightsOf = (model: Model) => Promise.all(model.weights.map(({ tensor }) => tensor.data()));

  /** Trains `make` of all numbers together, and compares each with a model that is built and fitted alone. */
  const expectAlike = async (
    makes: readonly (() => Model)[],
    { executions = 1, ready = () => {} }: { executions?: number; ready?: (model: Model, i: number) => void } = {},
  ) => {
    using data = new ImageLoader(device, images);
    const makeModels = () =>
      makes.map((make, i) => {
        const model = make();
        ready(model, i);
        return model;
      });
    const models = makeModels();
    expect(groupTrials(models, 9)).toEqual([models.map((_, i) => i)]);
    const seeds = models.flatMap((_, i) => Array.from({ length: executions }, (_, e) => SEEDS[i]! + e));
    using together = togetherModel(models, { executions }).build(device, { seed: seeds });
    const history = await together.fit(data, { ...options, seed: seeds });
    expect(history.replicas).toHaveLength(seeds.length);
    const evaluated = await together.evaluateReplicas(data);
    const losses = new Set<number>();
    for (const [i, model] of makeModels().entries()) {
      using alone = model.build(device, { seed: SEEDS[i]!, replicas: executions });
      const { replicas } = await alone.fit(data, { ...options, seed: SEEDS[i]! });
      using taken = takeReplicas(together, models[i]!, { first: i * executions, replicas: executions });
      for (const [k, weight] of (await weightsOf(alone)).entries()) {
        expectSameBits((await weightsOf(taken))[k]!, weight, `${alone.weights[k]!.name} of model ${i}`);
      }
      expectSameBits(await taken.predict(data), await alone.predict(data));
      const expected = await alone.evaluateReplicas(data);
      expect(await taken.evaluateReplicas(data)).toEqual(expected);
      for (const [e, epochs] of replicas.entries()) {
        expect(history.replicas[i * executions + e]!.map(withoutTimes)).toEqual(epochs.map(withoutTimes));
        expect(evaluated[i * executions + e]).toEqual(expected[e]);
        losses.add(epochs.at(-1)!.loss);
      }
    }
    expect(losses.size).toBe(seeds.length);
  };

  const optimizers: [string, (learningRate: Rate) => Optimizer][] = [
    ['SGD with Nesterov', (learningRate) => new SGD({ learningRate, momentum: 0.5, nesterov: true })],
    ['Adam, clipping', (learningRate) => new Adam({ learningRate, globalClipNorm: 1 })],
    ['AdamW', (learningRate) => new AdamW({ learningRate, weightDecay: 0.1 })],
    ['RMSprop, centered', (learningRate) => new RMSprop({ learningRate, centered: true, rho: 0.5 })],
  ];
  test.each(optimizers)('each has the bits of a model trained alone: %s', async (_, optimizer) => {
    await expectAlike(numbers.map((one) => () => mlp({ ...one, optimizer })));
  });

  test('also nested models, convolutions and batch normalization', async () => {
    await expectAlike(numbers.map((one) => () => branchedModel(one)));
  });

  test('also several executions of each', async () => {
    await expectAlike(
      numbers.map((one) => () => mlp(one)),
      { executions: 2 },
    );
  });

  test('also options that are equal for all', async () => {
    await expectAlike(numbers.map(() => () => mlp()));
  });

  test('also schedules, and rates that the builder assigned later', async () => {
    const decay = (initialLearningRate: number) =>
      schedules.exponentialDecay({ initialLearningRate, decaySteps: 2, decayRate: 0.9 });
    await expectAlike([
      () => mlp({ rate: decay(0.1) }),
      () => mlp({ rate: 0.2 }),
      () => {
        const model = mlp({ rate: decay(0.3) });
        model.training.optimizer.learningRate = decay(0.01);
        return model;
      },
    ]);
  });

  test('also given initial weights of some of them', async () => {
    using from = mlp().build(device, { seed: 99 });
    const values = new Map(
      await Promise.all(
        from.weights.map(
          async ({ name, tensor }) => [name, { shape: tensor.shape, data: await tensor.data() }] as const,
        ),
      ),
    );
    await expectAlike(
      numbers.map((one) => () => mlp(one)),
      {
        ready: (model, i) => {
          if (i === 0) model.setInitialWeights(values);
          if (i === 1) model.setInitialWeights(new Map([...values].slice(0, 1)), { partial: true });
        },
      },
    );
  });

  test('takeReplicas: throws for invalid arguments', async () => {
    using together = togetherModel([mlp(), mlp()]).build(device, { seed: [1, 5] });
    expect(() => takeReplicas(together, mlp(), { first: 2 })).toThrow(
      /there are 2 replicas, but 1 were requested from number 2/,
    );
    expect(() => takeReplicas(together, mlp(), { first: 0, replicas: 3 })).toThrow(ArgumentError);
    expect(() => takeReplicas(together, mlp({ units: 8 }), { first: 0 })).toThrow(
      /other weights .* dense\/kernel\.1 was 7 and is 8/,
    );
    using built = mlp().build(device);
    expect(() => takeReplicas(together, built, { first: 0 })).toThrow(/already built/);
    expect(() => togetherModel([mlp(), built])).toThrow(/model 1 is built already/);
    using larger = new Sequential(mlp().layers as Layer[]).build(device);
    const copied = new Sequential(larger.layers as Layer[]).compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    expect(reasonAlone(copied)).toMatch(/dense\/kernel begins as a copy/);
  });
});
