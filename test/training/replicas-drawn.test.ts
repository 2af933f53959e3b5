import fc from 'fast-check';
import { expect, test } from 'vitest';
import { conv2dVariants } from '../../src/kernels/conv2d/conv2d.ts';
import { matmulVariants } from '../../src/kernels/matmul/matmul-variants.ts';
import { batchNormVariants } from '../../src/kernels/norm/batch-norm.ts';
import { reduceVariants } from '../../src/kernels/reduce/reduce-variants.ts';
import { softmaxVariants } from '../../src/kernels/softmax/softmax.ts';
import {
  BatchNormalization,
  type Callback,
  Conv2D,
  Dense,
  Dropout,
  Flatten,
  Layer,
  mul,
  type Optimizer,
  Sequential,
  SGD,
  type Shape,
  type Tensor,
} from '../../src/node.ts';
import { ndarray } from '../reference/ndarray.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import {
  anyPenalty,
  type DrawnOptimizer,
  type DrawnPenalty,
  drawnDropout,
  drawnOptimizer,
  drawnSeed,
  dropoutFor,
  laterRate,
  MAX_REPLICAS,
  optimizerOf,
  regularizerOf,
  seedFor,
  sharedPenalty,
  valueFor,
} from '../support/drawn-trainings.ts';
import { fitLinear } from '../support/linear-training.ts';
import { drawnCases, FAST_CHECK_SEED } from '../support/operator-cases.ts';
import { random } from '../support/random.ts';

const SAMPLES = 11;
const SEED = 3;

/** Multiplies by a weight for each channel, which has a penalty: any weight may have one, not only kernels. */
class Scale extends Layer {
  readonly kind = 'Scale';
  constructor(
    private readonly penalty: ReturnType<typeof regularizerOf>,
    trainable: boolean,
  ) {
    super({ trainable });
  }
  plan(inputShape: Shape) {
    const regularizer = this.penalty ?? undefined;
    const initializer = (shape: Shape) => new Float32Array(shape[0]!).fill(1);
    return {
      outputShape: inputShape,
      weights: [{ name: 'scale', shape: inputShape.slice(-1), initializer, regularizer }],
    };
  }
  call(x: Tensor, { weights: [scale] }: { weights: readonly Tensor[] }): Tensor {
    return mul(x, scale!);
  }
}

const layerWith = (penalty: fc.Arbitrary<DrawnPenalty>) =>
  fc.record({
    kind: fc.constantFrom('dense' as const, 'dense' as const, 'scale' as const, 'norm' as const, 'dropout' as const),
    units: fc.constantFrom(1, 3, 4, 9, 70), // of 70 a weight has several blocks
    activation: fc.constantFrom('relu' as const, 'tanh' as const, 'leakyRelu' as const),
    penalty,
    dropout: drawnDropout,
    trainable: fc.boolean(),
  });
type DrawnLayer = ReturnType<typeof layerWith> extends fc.Arbitrary<infer T> ? T : never;

const trainingWith = (penalty: fc.Arbitrary<DrawnPenalty>) =>
  fc.record({
    replicas: fc.integer({ min: 1, max: MAX_REPLICAS }),
    convolution: fc.option(layerWith(penalty)),
    layers: fc.array(layerWith(penalty), { maxLength: 3 }),
    last: penalty,
    optimizer: drawnOptimizer,
    batchSize: fc.integer({ min: 1, max: SAMPLES }),
    seed: drawnSeed,
    buildSeed: drawnSeed,
    /** Draws the kernels that run; null for those that the rule selects. */
    variants: fc.option(fc.nat(1000)),
    classWeight: fc.option(fc.constant({ 0: 0.5, 2: 3 })),
  });
const training = fc.oneof(trainingWith(sharedPenalty), trainingWith(anyPenalty));
type DrawnTraining = typeof training extends fc.Arbitrary<infer T> ? T : never;

function layerOf(
  { kind, units, activation, penalty, dropout, trainable }: DrawnLayer,
  replicas: number,
  r: number | null,
): Layer {
  const kernelRegularizer = regularizerOf(penalty, replicas, r);
  if (kind === 'dense') return new Dense({ units, activation, kernelRegularizer, trainable });
  if (kind === 'scale') return new Scale(kernelRegularizer, trainable);
  return kind === 'norm' ? new BatchNormalization({ trainable }) : new Dropout(dropoutFor(dropout, replicas, r));
}

function modelOf({ convolution, layers, last, replicas, optimizer }: DrawnTraining, r: number | null): Sequential {
  const penaltyOf = (penalty: DrawnPenalty) => regularizerOf(penalty, replicas, r);
  const first = convolution
    ? [
        new Conv2D({
          ...{ filters: 3, kernelSize: 2, inputShape: [4, 4, 1], activation: convolution.activation },
          ...{ kernelRegularizer: penaltyOf(convolution.penalty), trainable: convolution.trainable },
        }),
        new Flatten(),
      ]
    : [new Flatten({ inputShape: [4, 4, 1] })];
  const model = new Sequential([
    ...first,
    ...layers.map((layer) => layerOf(layer, replicas, r)),
    new Dense({ units: 3, activation: 'softmax', kernelRegularizer: penaltyOf(last) }),
  ]);
  const loss = 'sparseCategoricalCrossentropy';
  return model.compile({ optimizer: optimizerOf(optimizer, replicas, r), loss, metrics: ['f1'] });
}

const weightsOf = (model: Sequential) =>
  Promise.all(model.weights.map(async ({ tensor }) => (await tensor.data()) as Float32Array));
const sliceOf = (all: Float32Array, r: number, replicas: number) =>
  all.subarray((r * all.length) / replicas, ((r + 1) * all.length) / replicas);

const assignLater = (drawn: DrawnOptimizer, replicas: number, r: number | null): Callback => ({
  onEpochBegin({ epoch, optimizer }) {
    const rate = laterRate(drawn, replicas, r);
    if (epoch === 2 && rate !== null) optimizer.learningRate = rate;
  },
});

describeOnDevice('replicas with options drawn at random', (device) => {
  const values = random(4);
  const x = Float32Array.from({ length: SAMPLES * 16 }, () => values.normal());
  const y = Array.from({ length: SAMPLES }, (_, i) => i % 3);

  const train = async (drawn: DrawnTraining, r: number | null) => {
    const { replicas, batchSize, classWeight } = drawn;
    const [buildSeed, seed] = [drawn.buildSeed, drawn.seed].map((one) => seedFor(one, replicas, r));
    using model = modelOf(drawn, r).build(device, { seed: buildSeed!, replicas: r === null ? replicas : 1 });
    const callbacks = [assignLater(drawn.optimizer, replicas, r)];
    const options = { epochs: 2, batchSize, seed: seed!, callbacks };
    const history = await model.fit({ x, y }, { ...options, ...(classWeight ? { classWeight } : {}) });
    const logs = history.replicas.map((epochs) => epochs.map(({ loss, accuracy, f1 }) => ({ loss, accuracy, f1 })));
    return { weights: await weightsOf(model), logs, names: model.weights.map(({ name }) => name) };
  };

  /** Replaces every kernel that was selected by a random one; where that one does not support the problem, the rule decides. */
  const drawVariants = (seed: number) => {
    const names = [...matmulVariants, ...conv2dVariants, ...reduceVariants, ...softmaxVariants, ...batchNormVariants];
    const { integer } = random(seed);
    for (const key of device.choices.used.keys()) {
      device.choices.tuned.set(key, names[integer(0, names.length - 1)]!);
    }
  };

  test('each replica has the bits of a model trained alone with its seed', async () => {
    await fc.assert(
      fc.asyncProperty(training, async (drawn) => {
        const { tuned, used } = device.choices;
        try {
          used.clear();
          if (drawn.variants !== null) {
            await train(drawn, 0); // to find all choices
            drawVariants(drawn.variants);
          }
          const together = await train(drawn, null);
          for (let r = 0; r < drawn.replicas; r++) {
            const alone = await train(drawn, r);
            for (const [k, weight] of alone.weights.entries()) {
              const among = sliceOf(together.weights[k]!, r, drawn.replicas);
              expectSameBits(among, weight, `${together.names[k]} of replica ${r}`);
            }
            expect(together.logs[r]).toEqual(alone.logs[0]);
          }
        } finally {
          tuned.clear();
          used.clear();
        }
      }),
      { numRuns: drawnCases(20), seed: FAST_CHECK_SEED },
    );
  });

  // Two layers without activations, so that the float64 gradients are a few lines.
  const INPUTS = 3;
  const OUTPUTS = 2;
  const linear = fc.record({
    replicas: fc.integer({ min: 1, max: MAX_REPLICAS }),
    units: fc.constantFrom(1, 5, 70),
    penalties: fc.oneof(fc.tuple(sharedPenalty, sharedPenalty), fc.tuple(anyPenalty, anyPenalty)),
    trainable: fc.constantFrom([true, true], [true, true], [false, true], [true, false]),
    optimizer: drawnOptimizer,
    batchSize: fc.integer({ min: 2, max: SAMPLES }),
  });
  const targets = Float32Array.from({ length: SAMPLES * OUTPUTS }, () => values.normal());

  test('each replica follows the float64 reference of its optimizer', async () => {
    await fc.assert(
      fc.asyncProperty(linear, async ({ replicas, units, penalties, trainable, optimizer, batchSize }) => {
        const dense = (n: number, i: number) =>
          new Dense({
            ...{ units: n, kernelRegularizer: regularizerOf(penalties[i]!, replicas, null) },
            ...{ trainable: trainable[i]!, ...(i === 0 ? { inputShape: [INPUTS] } : {}) },
          });
        using model = new Sequential([dense(units, 0), dense(OUTPUTS, 1)]);
        model.compile({ optimizer: optimizerOf(optimizer, replicas, null), loss: 'meanSquaredError' });
        model.build(device, { seed: SEED, replicas });
        const before = await weightsOf(model);
        const data = { x: x.slice(0, SAMPLES * INPUTS), y: targets };
        const callbacks = [assignLater(optimizer, replicas, null)];
        await model.fit(data, { epochs: 2, batchSize, shuffle: false, callbacks });
        const after = await weightsOf(model);
        for (let r = 0; r < replicas; r++) {
          const weights = model.weights.map(({ spec }, k) =>
            ndarray([...spec.shape], Float64Array.from(sliceOf(before[k]!, r, replicas))),
          );
          const replicaPenalties = penalties.map((penalty) => ({
            l1: (valueFor(penalty?.l1 ?? 0, r) as number) ?? 0,
            l2: (valueFor(penalty?.l2 ?? 0, r) as number) ?? 0,
          }));
          fitLinear(weights, data, { own: replicaPenalties, trainable, optimizer, batchSize, r });
          for (const [k, { name }] of model.weights.entries()) {
            const what = `${name} of replica ${r}`;
            expectClose(sliceOf(after[k]!, r, replicas), weights[k]!.data, { rtol: 2e-4, atol: 2e-6 }, what);
          }
        }
      }),
      { numRuns: drawnCases(40), seed: FAST_CHECK_SEED },
    );
  });

  test('rates for each of two replicas, with a penalty that both share', async () => {
    using model = new Sequential([
      new Dense({
        ...{ units: 1, useBias: false, inputShape: [1], kernelInitializer: 'ones' },
        kernelRegularizer: { l1: 0, l2: 0.5 },
      }),
    ]).build(device, { replicas: 2 });
    const optimizer: Optimizer = new SGD({ learningRate: [0.1, 0.1] });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    await model.fit({ x: [0], y: [0] }, { batchSize: 1 });
    expect(Array.from(await model.weights[0]!.tensor.data())).toEqual([Math.fround(0.9), Math.fround(0.9)]);
  });
});
