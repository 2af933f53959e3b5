import { expect, test } from 'vitest';
import type { Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('gradients that a custom loop moves, shares or disposes', (device) => {
  const leaf = (data: number[]) => tg.tensor(device, data, [data.length], { requiresGrad: true });
  const values = async (...tensors: Tensor[]) => Promise.all(tensors.map(async (tensor) => [...(await tensor.data())]));
  const differentiate = (w: Tensor, by = 1) => tg.sum(tg.mul(w, by)).backward();

  test('a gradient that is assigned to a second parameter of the optimizer updates both', async () => {
    const [v, w] = [leaf([1, 2]), leaf([3, 4])];
    const optimizer = new tg.SGD({ parameters: [v, w], learningRate: 1 });
    differentiate(v, 2);
    w.grad = v.grad;
    optimizer.step();
    expect(await values(v, w)).toEqual([
      [-1, 0],
      [1, 2],
    ]);
  });

  test('two parameters exchange gradients by detach, also if the replaced one is disposed', async () => {
    const [v, w] = [leaf([1, 2]), leaf([3, 4])];
    const optimizer = new tg.SGD({ parameters: [v, w], learningRate: 1 });
    differentiate(v, 1);
    differentiate(w, 2);
    const replaced = v.grad;
    const [first, second] = [v.grad!.detach(), w.grad!.detach()];
    v.grad = second;
    expect(() => {
      w.grad = replaced;
    }).toThrow(/^grad: a tensor of shape \[2\] was used after it was disposed/);
    w.grad = first;
    optimizer.step();
    expect(await values(v, w)).toEqual([
      [-1, 0],
      [2, 3],
    ]);
  });

  test('weights of a model share a gradient by detach', async () => {
    const layers = [new tg.Dense({ units: 2, inputShape: [2], kernelInitializer: 'zeros', useBias: false })];
    layers.push(new tg.Dense({ units: 2, kernelInitializer: 'zeros', useBias: false }));
    const model = new tg.Sequential(layers).build(device);
    const optimizer = new tg.SGD({ parameters: model.parameters, learningRate: 1 });
    const [v, w] = model.weights.map(({ tensor }) => tensor) as [Tensor, Tensor];
    tg.sum(tg.mul(v, 3)).backward();
    w.grad = v.grad!.detach();
    optimizer.step();
    expect(await values(v, w)).toEqual([
      [-3, -3, -3, -3],
      [-3, -3, -3, -3],
    ]);
  });

  test('a gradient of another tensor is copied: each accumulates and clears separately', async () => {
    const [v, w] = [leaf([1, 2]), leaf([3, 4])];
    differentiate(v);
    w.grad = v.grad;
    differentiate(w, 4);
    expect(await values(v.grad!, w.grad!)).toEqual([
      [1, 1],
      [5, 5],
    ]);
    w.clearGrad();
    expect(await values(v.grad!)).toEqual([[1, 1]]);
  });

  test('a tensor assigned as its own gradient is copied', async () => {
    const w = leaf([1, 2]);
    w.grad = w;
    differentiate(w);
    expect(await values(w, w.grad!)).toEqual([
      [1, 2],
      [2, 3],
    ]);
    w.clearGrad();
    expect(await values(w)).toEqual([[1, 2]]);
  });

  test('after a gradient is disposed, the next backward pass creates another', async () => {
    const optimized = leaf([1, 2]);
    const optimizer = new tg.SGD({ parameters: [optimized], learningRate: 1 });
    for (const w of [leaf([1, 2]), optimized]) {
      differentiate(w);
      w.grad!.dispose();
      expect(w.grad).toBeNull();
      differentiate(w, 3);
      expect(await values(w.grad!)).toEqual([[3, 3]]);
    }
    optimized.grad!.dispose();
    expect(() => optimizer.step()).toThrow(/^step: no parameter has a gradient/);
    expect(optimizer.iterations).toBe(0);
    differentiate(optimized, 2);
    optimizer.step();
    expect(await values(optimized)).toEqual([[-1, 0]]);
  });

  test('grad: throws for a disposed gradient', () => {
    const [w, gradient] = [leaf([1, 2]), tg.tensor(device, [1, 1], [2])];
    gradient.dispose();
    expect(() => {
      w.grad = gradient;
    }).toThrow(/^grad: a tensor of shape \[2\] was used after it was disposed/);
    expect(w.grad).toBeNull();
  });

  test("a parameter's gradient starts a backward pass for another parameter of the optimizer", async () => {
    const [v, w] = [leaf([1, 2]), leaf([3, 4])];
    const optimizer = new tg.SGD({ parameters: [v, w], learningRate: 1 });
    differentiate(v, 2);
    tg.add(w, 0).backward(v.grad!); // dw = 2
    tg.add(v, w).backward(v.grad!); // dv = 2 + 2, dw = 2 + 2
    optimizer.step();
    expect(await values(v, w)).toEqual([
      [-3, -2],
      [-1, 0],
    ]);
  });

  test("a parameter's gradient is part of a loss for another parameter of the optimizer", async () => {
    const v = leaf([1, 2]);
    const w = tg.tensor(device, [3, 4], [2, 1], { requiresGrad: true });
    const optimizer = new tg.SGD({ parameters: [v, w], learningRate: 1 });
    differentiate(v, 2);
    tg.sum(tg.linear(tg.reshape(v.grad!, [1, 2]), w, null)).backward(); // dw = 2
    optimizer.step();
    expect(await values(v, w)).toEqual([
      [-1, 0],
      [1, 2],
    ]);
  });

  test('fit and trainOnBatch leave no gradients for a later loop', async () => {
    const dense = new tg.Dense({ units: 1, inputShape: [1], kernelInitializer: 'ones' });
    const model = new tg.Sequential([dense]).build(device);
    model.compile({ optimizer: new tg.SGD({ learningRate: 0.25 }), loss: 'meanSquaredError' });
    const optimizer = new tg.SGD({ parameters: model.parameters, learningRate: 0.25 });
    const x = tg.tensor(device, [1], [1, 1]);
    /** y = w + b with w = 1, b = 0 at first; each step halves y: dw = db = 2 y. With a rate of 1 / 4, w and b lose y / 2 each, so that y is 0. */
    const step = () => {
      tg.mean(tg.square(model.call(x))).backward();
      optimizer.step();
      optimizer.clearGrad();
    };
    const weights = () => values(...model.weights.map(({ tensor }) => tensor));
    await model.trainOnBatch([[1]], [[0]]);
    expect(model.weights.map(({ tensor }) => tensor.grad)).toEqual([null, null]);
    expect(await weights()).toEqual([[0.5], [-0.5]]);
    model.setWeights([[[2]], [0]]);
    step();
    expect(await weights()).toEqual([[1], [-1]]);
    model.setWeights([[[2]], [0]]);
    await model.fit({ x: [[1]], y: [[0]] });
    model.setWeights([[[4]], [0]]);
    step();
    expect(await weights()).toEqual([[2], [-2]]);
    // A gradient that a loop left is replaced by the next step of fit.
    tg.mean(model.call(x)).backward();
    await model.trainOnBatch([[1]], [[0]]);
    expect(model.weights.map(({ tensor }) => tensor.grad)).toEqual([null, null]);
  });
});
