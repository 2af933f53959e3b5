import { expect, test, vi } from 'vitest';
import { networks } from '../../experiments/vgg.ts';
import {
  Adam,
  BatchNormalization,
  Conv2D,
  Dense,
  DepthwiseConv2D,
  type Device,
  Dropout,
  Flatten,
  ImageLoader,
  type Layer,
  MaxPooling2D,
  openDevice,
  Sequential,
  schedules,
} from '../../src/node.ts';
import { type RecordedStep, recordTrainingStep } from '../../src/training/training-step.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

/** Makes the engine select the kernels for GPUs. */
function passForCard(device: Device): void {
  const info = { ...device.info, name: 'a card', vendor: 'nvidia', driver: '', architecture: '', isSoftware: false };
  Object.assign(device, { info });
}

const lenet = () =>
  new Sequential([
    new Conv2D({ filters: 6, kernelSize: 5, activation: 'relu', inputShape: [32, 32, 3] }),
    new MaxPooling2D(),
    new Conv2D({ filters: 16, kernelSize: 5, activation: 'relu' }),
    new MaxPooling2D(),
    new Flatten(),
    ...[120, 84].map((units) => new Dense({ units, activation: 'relu' })),
    new Dense({ units: 10, activation: 'softmax' }),
  ]);
const models = { lenet, vgg: () => networks.base.createModel() as Sequential };

/** Runs `body` with a recorded step whose submits do not reach the adapter. */
async function withStep(
  { model: kind, batch, card }: { model: keyof typeof models; batch: number; card: boolean },
  body: (step: RecordedStep, submits: () => number[], device: Device) => void,
): Promise<void> {
  using device = await openDevice();
  if (card) passForCard(device);
  const model = models[kind]().build(device);
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  using loader = new ImageLoader(device, drawImages(batch));
  const step = recordTrainingStep('test', model, loader, { batchSize: batch });
  await device.sync();
  const costs: number[] = [];
  let before = device.submittedCost;
  const submit = vi.spyOn(device.gpu.queue, 'submit').mockImplementation(() => {
    costs.push(device.submittedCost - before);
    before = device.submittedCost;
    return undefined;
  });
  try {
    body(step, () => costs.splice(0), device);
  } finally {
    submit.mockRestore();
    step.dispose();
    model.dispose();
  }
}

/** 200 ms of work at this many GFLOP/s. */
const noteRate = (device: Device, gflops: number) => device.noteRate(200e6 * gflops, 200);

describeOnDevice('submits of a training step', () => {
  test.each([false, true])('VGG: 59 GFLOP at batch 256 are cut; kernels of a GPU: %s', async (card) => {
    await withStep({ model: 'vgg', batch: 256, card }, (step, submits, device) => {
      const { commands } = step.program;
      const largest = Math.max(...commands.map(({ cost }) => cost));
      const flops = commands.reduce((sum, { info }) => sum + (info?.flops ?? 0), 0);
      if (card) expect(Math.round(flops / 1e9)).toBe(59);
      for (const [gflops, bound] of [
        [null, 2e9],
        [60, 3e9],
        [400, 20e9],
      ] as const) {
        if (gflops !== null) for (let i = 0; i < 5; i++) noteRate(device, gflops);
        step.run();
        const costs = submits();
        expect(costs.reduce((a, b) => a + b)).toBeCloseTo(step.program.cost);
        expect(costs.length).toBeGreaterThanOrEqual(step.program.cost / Math.max(bound, largest));
        // Submits are as full as possible: two adjacent ones would exceed the maximum.
        for (const [i, cost] of costs.entries()) {
          expect(cost).toBeLessThanOrEqual(Math.max(bound, largest));
          if (i > 0) expect(cost + costs[i - 1]!).toBeGreaterThan(bound);
        }
      }
      for (let i = 0; i < 5; i++) noteRate(device, 10_000);
      step.run();
      expect(submits()).toHaveLength(1);
    });
  });

  test.each([false, true])(
    'LeNet: a step at batch 256 is one submit, at any measured rate; kernels of a GPU: %s',
    async (card) => {
      await withStep({ model: 'lenet', batch: 256, card }, (step, submits, device) => {
        for (const gflops of [null, 40, 100, 10_000]) {
          if (gflops !== null) for (let i = 0; i < 5; i++) noteRate(device, gflops);
          step.run();
          expect(submits(), `${gflops}`).toHaveLength(1);
        }
      });
    },
  );
});

const layers = (): Layer[] => [
  new Conv2D({ filters: 8, kernelSize: 3, padding: 'same', inputShape: [8, 8, 3], kernelRegularizer: 'l2' }),
  new BatchNormalization(),
  new DepthwiseConv2D({ kernelSize: 3, padding: 'same', activation: 'relu' }),
  new Conv2D({ filters: 16, kernelSize: 1, activation: 'relu' }),
  new Dropout(0.25),
  new MaxPooling2D(),
  new Conv2D({ filters: 16, kernelSize: 3, activation: 'relu' }),
  new Flatten(),
  new Dense({ units: 20, activation: 'tanh' }),
  new BatchNormalization(),
  new Dropout(0.5),
  new Dense({ units: 4, activation: 'softmax' }),
];

/** Fixes the maximum cost of a submit and of a dispatch, whatever rates are measured. */
function fixBounds(device: Device): { submit: number; dispatch: number } {
  const bounds = { submit: Number.POSITIVE_INFINITY, dispatch: Number.POSITIVE_INFINITY };
  const fixedProperty = (name: keyof typeof bounds) => ({ get: () => bounds[name], set: () => {} });
  Object.defineProperties(device.budget, {
    maxSubmitCost: fixedProperty('submit'),
    maxDispatchCost: fixedProperty('dispatch'),
  });
  return bounds;
}

/** Trains for two epochs of five steps. @returns losses, outputs and weights, with the numbers of submits and dispatches */
async function train(device: Device) {
  using loader = new ImageLoader(device, drawImages(37, { shape: [8, 8, 3], classes: 4 }));
  using model = new Sequential(layers()).build(device, { seed: 3, replicas: 3 });
  const learningRate = schedules.warmUp({ steps: 8, target: 0.01 });
  model.compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
  const before = { ...device.counters };
  const history = await model.fit(loader, { epochs: 2, batchSize: 8, seed: [1, 2, 3], validationData: loader });
  const { dispatches, submits } = device.counters;
  const outputs = await model.predict(loader, { batchSize: 16 });
  const weights = await Promise.all(model.weights.map(({ tensor }) => tensor.data()));
  const losses = history.replicas.flat().flatMap(({ loss, valLoss }) => [loss!, valLoss!]);
  return {
    values: [...losses, ...outputs, ...weights.flatMap((values) => [...values])],
    dispatches: dispatches - before.dispatches,
    submits: submits - before.submits,
  };
}

describeOnDevice('a training has the same bits', () => {
  test.each([false, true])(
    'for any size of submits and dispatches; kernels of a GPU: %s',
    { timeout: 240_000 },
    async (card) => {
      using device = await openDevice();
      if (card) passForCard(device);
      const bounds = fixBounds(device);
      const whole = await train(device);
      expect(whole.values.every(Number.isFinite)).toBe(true);
      // Each dispatch in its own submit; and cuts between the dispatches of steps that share a submit.
      for (const [submit, maxDispatch] of [
        [1, 1.1],
        [7e7, 100],
      ] as const) {
        bounds.submit = submit;
        const one = await train(device);
        expect(one.dispatches).toBe(whole.dispatches);
        expect(one.submits).toBeGreaterThan(whole.dispatches / maxDispatch);
        expectSameBits(one.values, whole.values, `submits of ${submit}`);
      }
      // A dispatch costs at least 1e6, so it has three or more parts if it has that many workgroups.
      bounds.dispatch = 4e5;
      const parts = await train(device);
      expect(parts.dispatches).toBeGreaterThan(1.5 * whole.dispatches);
      expectSameBits(parts.values, whole.values, 'dispatches in parts');
    },
  );
});
