import { expect, test } from 'vitest';
import type { Device, Model, Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

/** A model whose output shows which elements its dropout kept. */
function masking(device: Device): Model {
  const layers = [new tg.Dropout(0.5, { inputShape: [64] }), new tg.Dense({ units: 64 })];
  const model = new tg.Sequential(layers).build(device);
  model.setWeights([
    { shape: [64, 64], data: Float32Array.from({ length: 64 * 64 }, (_, i) => Number(i % 65 === 0)) }, // the unit matrix
    new Float32Array(64),
  ]);
  return model;
}

const distinct = (masks: readonly string[]) => new Set(masks).size;

describeOnDevice('random layers in custom loops', (device) => {
  const ones = () => tg.tensor(device, new Float32Array(64).fill(1), [1, 64]);
  const maskOf = async (output: Tensor) => Array.from(await output.data(), (v) => Number(v > 1)).join('');
  const masksOf = async (call: () => Tensor, times = 5) => {
    const masks: string[] = [];
    for (let i = 0; i < times; i++) masks.push(await maskOf(call()));
    return masks;
  };
  const x = () => ones();

  test('each call in training draws new numbers, whatever updates the weights', async () => {
    const optimizers: Record<string, (model: Model) => { step(): void; clearGrad(): void } | null> = {
      'the parameters': (model) => new tg.SGD({ parameters: model.parameters, learningRate: 1e-9 }),
      'a list of tensors': (model) =>
        new tg.SGD({ parameters: model.weights.map(({ tensor }) => tensor), learningRate: 1e-9 }),
      nothing: () => null,
    };
    for (const [by, make] of Object.entries(optimizers)) {
      const model = masking(device);
      const optimizer = make(model);
      const masks = await masksOf(() => {
        const output = model.call(x(), { training: true });
        const detached = output.detach();
        if (optimizer) {
          tg.sum(output).backward();
          optimizer.step();
          optimizer.clearGrad();
        }
        return detached;
      });
      expect(distinct(masks), by).toBe(5);
      for (const mask of masks) expect(mask, by).toMatch(/0.*1|1.*0/);
      model.dispose();
    }
  });

  test('several calls in one step draw differently, and the first as in fit', async () => {
    const model = masking(device);
    const optimizer = new tg.SGD({ parameters: model.parameters, learningRate: 1e-9 });
    const first = await maskOf(model.call(x(), { training: true, step: 1 }));
    const masks = await masksOf(() => model.call(x(), { training: true }), 3);
    expect(masks[0]).toBe(first);
    expect(distinct(masks)).toBe(3);
    optimizer.dispose();
    model.dispose();
  });

  test('a compiled step draws new numbers in each run, for both forms of optimizer and for two calls', async () => {
    for (const parametersOf of [
      (model: Model) => model.parameters,
      (model: Model) => model.weights.map(({ tensor }) => tensor),
    ]) {
      const model = masking(device);
      const optimizer = new tg.SGD({ parameters: parametersOf(model), learningRate: 1e-9 });
      const step = tg.compileStep(device, (input: Tensor) => {
        const [a, b] = [model.call(input, { training: true }), model.call(input, { training: true })];
        tg.sum(tg.add(a, b)).backward();
        optimizer.step();
        optimizer.clearGrad();
        return [a, b];
      });
      const masks: string[] = [];
      for (let i = 0; i < 4; i++) {
        const input = { shape: [1, 64], data: new Float32Array(64).fill(1) };
        for (const output of step(input) as Tensor[]) masks.push(await maskOf(output));
      }
      expect(distinct(masks)).toBe(8);
      step.dispose();
      model.dispose();
    }
  });

  test('a call with a given step, or not in training, draws the same again', async () => {
    const model = masking(device);
    expect(distinct(await masksOf(() => model.call(x(), { training: true, step: 7 })))).toBe(1);
    expect(distinct(await masksOf(() => model.call(x())))).toBe(1);
    model.dispose();
  });
});
