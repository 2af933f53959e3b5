import { expect, test } from 'vitest';
import { Dense, type Device, openDevice, Sequential, ShaderError } from '../../src/node.ts';
import { failure, refusePipelines } from '../support/adapter-refusals.ts';
import { describeOnDevice } from '../support/device.ts';

const x = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
const y = Uint32Array.from({ length: 8 }, (_, i) => i % 2);
const batch = { x, y };

function buildCompiled(device: Device): Sequential {
  const model = new Sequential([new Dense({ units: 4, inputShape: [3] }), new Dense({ units: 2 })]);
  model.build(device, { seed: 1 });
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  return model;
}

const weightsOf = async (model: Sequential) => {
  const all: number[] = [];
  for (const { tensor } of model.weights) all.push(...(await tensor.data()));
  return all;
};

describeOnDevice('training if the adapter refuses a kernel', () => {
  test.each<[string, (model: Sequential) => Promise<unknown>]>([
    ['arrays', (model) => model.fit(batch, { batchSize: 4 })],
    ['a stream', (model) => model.fit(() => [batch, batch])],
  ])('fit on %s throws the cause before the first step, and does not change the model', async (_what, train) => {
    using device = await openDevice();
    const model = buildCompiled(device);
    const before = await weightsOf(model);
    const predicted = await model.predict(x);
    {
      using _ = refusePipelines(device, 'internal', (label) => label.startsWith('adam'));
      const error = await failure(() => train(model));
      expect(error).toBeInstanceOf(ShaderError);
      expect(error.message).toMatch(/^shader adam\w*\.wgsl/);
      expect(await failure(() => train(model))).toBe(error); // the adapter has answered
    }
    expect(await weightsOf(model)).toEqual(before);
    expect(await model.predict(x)).toEqual(predicted);
    expect((await model.evaluate(batch)).loss).toBeGreaterThan(0);
    // It trains with another optimizer.
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    await train(model);
    expect(await weightsOf(model)).not.toEqual(before);
    model.dispose();
  });

  test.each(['softmax_cross_entropy', 'accumulate_metrics', 'adam'])(
    'trainOnBatch throws that %s was refused before its step, which is not counted, and does not change the model',
    async (kernel) => {
      using device = await openDevice();
      // Every dispatch is submitted separately, so a refused step would change the weights.
      Object.defineProperty(device.budget, 'maxSubmitCost', { get: () => 1, set: () => {} });
      const model = buildCompiled(device);
      const before = await weightsOf(model);
      {
        using _ = refusePipelines(device, 'internal', (label) => label.startsWith(kernel));
        const error = await failure(() => model.trainOnBatch(x, y));
        expect(error).toBeInstanceOf(ShaderError);
        expect(error.message).toMatch(new RegExp(`^shader ${kernel}`));
        expect(await failure(() => model.trainOnBatch(x, y))).toBe(error);
      }
      expect(model.training.optimizer.iterations).toBe(0);
      expect(await weightsOf(model)).toEqual(before);
      model.dispose();
    },
  );

  test('batches passed while the first waits for its kernels are trained in order, with their values at the call', async () => {
    const run = async (isAwaited: boolean) => {
      using device = await openDevice();
      const model = buildCompiled(device);
      const losses: unknown[] = [];
      // Twelve sizes are more than the cache keeps; some have other settings, so their steps are recorded again.
      for (let i = 0; i < 14; i++) {
        const n = 1 + (i % 12);
        const samples = Float32Array.from({ length: 3 * n }, (_, k) => Math.sin(k + i));
        const labels = Uint32Array.from({ length: n }, (_, k) => k % 2);
        const done = model.trainOnBatch(samples, labels, i % 5 === 4 ? { classWeight: { 1: 2 } } : {});
        if (isAwaited) await done;
        else samples.fill(Number.NaN);
        losses.push(done);
      }
      const all = await Promise.all(losses);
      const { iterations } = model.training.optimizer;
      const weights = await weightsOf(model);
      model.dispose();
      return { all, iterations, weights };
    };
    const inTurn = await run(true);
    expect(inTurn.iterations).toBe(14);
    expect(await run(false)).toEqual(inTurn);
  });

  test('evaluate and predict throw the cause, and never return values that were not computed', async () => {
    using device = await openDevice();
    const model = buildCompiled(device);
    {
      using _ = refusePipelines(device, 'validation', (label) => label.startsWith('softmax_cross_entropy'));
      expect(await failure(() => model.evaluate(batch))).toBeInstanceOf(ShaderError);
      expect(await failure(() => model.evaluate(batch))).toBeInstanceOf(ShaderError);
    }
    {
      using _ = refusePipelines(device, 'validation');
      expect(await failure(() => model.predict(x))).toBeInstanceOf(ShaderError);
      expect(await failure(() => model.predict(x))).toBeInstanceOf(ShaderError);
    }
    expect((await weightsOf(model)).every(Number.isFinite)).toBe(true);
    model.dispose();
  });
});
