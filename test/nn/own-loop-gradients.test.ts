import { expect, test } from 'vitest';
import type { Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice("gradients that a loop of one's own moves, shares or disposes of", (device) => {
  const leaf = (data: number[]) => tg.tensor(device, data, [data.length], { requiresGrad: true });
  const values = async (...tensors: Tensor[]) => Promise.all(tensors.map(async (tensor) => [...(await tensor.data())]));
  const differentiate = (w: Tensor, by = 1) => tg.sum(tg.mul(w, by)).backward();

  test('one that is given to another parameter of the same optimizer counts for both', async () => {
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

  test('parameters of an optimizer exchange theirs, by detach, as one that is replaced is disposed', async () => {
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

  test('the weights of a model likewise, by detach too', async () => {
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

  test('one that another tensor has is copied: each adds up and forgets its own', async () => {
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

  test('the tensor itself as its gradient is copied', async () => {
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

  test('one that was disposed is none, and the next backward pass makes another', async () => {
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
    expect(() => optimizer.step()).toThrow(/^step: none of the parameters has a gradient/);
    expect(optimizer.iterations).toBe(0);
    differentiate(optimized, 2);
    optimizer.step();
    expect(await values(optimized)).toEqual([[-1, 0]]);
  });

  test('one that was disposed cannot be given', () => {
    const [w, gradient] = [leaf([1, 2]), tg.tensor(device, [1, 1], [2])];
    gradient.dispose();
    expect(() => {
      w.grad = gradient;
    }).toThrow(/^grad: a tensor of shape \[2\] was used after it was disposed/);
    expect(w.grad).toBeNull();
  });
});
