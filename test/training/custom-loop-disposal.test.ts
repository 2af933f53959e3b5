import { expect, test } from 'vitest';
import * as tg from '../../src/node.ts';
import { DisposedError } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('tensors that a custom loop disposes right after a step', (device) => {
  const leaf = (data: number[]) => tg.tensor(device, data, [data.length], { requiresGrad: true });
  const build = () =>
    new tg.Sequential([
      new tg.Dense({ units: 2, inputShape: [2], kernelInitializer: 'ones' }),
      new tg.Dropout(0.5),
    ]).build(device);
  const ones = () => tg.tensor(device, [1, 1], [1, 2]);

  test('the optimizer: its step is completed, and the device stays usable', async () => {
    const w = leaf([3, 5]);
    const optimizer = new tg.SGD({ parameters: [w], learningRate: 0.5 });
    tg.sum(tg.mul(w, 2)).backward();
    optimizer.step();
    optimizer.dispose();
    expect([...(await w.data())]).toEqual([2, 4]);
    expect([...(await leaf([7]).data())]).toEqual([7]);
  });

  test('the model, whose output was not read yet', async () => {
    const model = build();
    const optimizer = new tg.SGD({ parameters: model.parameters });
    const y = model.call(ones(), { training: true });
    const total = tg.sum(y).detach();
    tg.sum(y).backward();
    optimizer.step();
    model.dispose();
    // Each output is 2, dropped to 0 or doubled to 4.
    expect([0, 4, 8]).toContain(await total.item());
  });

  test('a model with random layers in a compiled step: DisposedError', async () => {
    const model = build();
    const step = tg.compileStep(device, (x) => model.call(x, { training: true }));
    await step([[1, 1]]).data();
    step([[1, 1]]);
    model.dispose();
    expect(() => step([[1, 1]])).toThrow(DisposedError);
    expect([...(await leaf([7]).data())]).toEqual([7]);
  });

  test('the optimizer of a compiled step: DisposedError, and no step is counted', async () => {
    const [v, w] = [leaf([1]), leaf([1])];
    const [first, second] = [new tg.SGD({ parameters: [v] }), new tg.SGD({ parameters: [w] })];
    const step = tg.compileStep(device, (x) => {
      const loss = tg.sum(tg.mul(tg.mul(v, w), x));
      loss.backward();
      for (const optimizer of [first, second]) optimizer.step();
      for (const optimizer of [first, second]) optimizer.clearGrad();
      return loss;
    });
    step([1]);
    second.dispose();
    expect(() => step([1])).toThrow(/^step: this optimizer was disposed/);
    expect(first.iterations).toBe(1);
  });

  test('a tensor that a compiled step reads: DisposedError, and no step is counted', async () => {
    const [w, c] = [leaf([1]), leaf([2])];
    const optimizer = new tg.SGD({ parameters: [w], learningRate: 0.25 });
    const step = tg.compileStep(device, (x) => {
      const loss = tg.sum(tg.mul(tg.mul(w, x), c.detach()));
      loss.backward();
      optimizer.step();
      optimizer.clearGrad();
      return loss;
    });
    step([1]);
    c.dispose();
    expect(() => step([1])).toThrow(DisposedError);
    expect(optimizer.iterations).toBe(1);
    expect([...(await w.data())]).toEqual([0.5]);
  });

  test('a compiled step whose schedule gives no rate: no optimizer counts a step', async () => {
    const [v, w] = [leaf([1]), leaf([1])];
    const first = new tg.SGD({ parameters: [v], learningRate: 0.5 });
    const second = new tg.SGD({ parameters: [w], learningRate: (step) => (step === 1 ? Number.NaN : 0.5) });
    const step = tg.compileStep(device, () => {
      tg.sum(tg.add(v, w)).backward();
      for (const optimizer of [first, second]) optimizer.step();
      for (const optimizer of [first, second]) optimizer.clearGrad();
    });
    step();
    expect(() => step()).toThrow(/^SGD: the schedule's learning rate at step 1 must be zero or more, but is NaN/);
    expect([first.iterations, second.iterations]).toEqual([1, 1]);
    expect([...(await v.data()), ...(await w.data())]).toEqual([0.5, 0.5]);
  });
});
