import { expect, test } from 'vitest';
import type { Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { ArgumentError, DataError, DisposedError, GpuError, ShapeError } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

/** The error that the call throws. */
function errorOf(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
function expectError(call: () => unknown, kind: new (message: string) => Error, message: RegExp): void {
  const error = errorOf(call);
  expect(error).toBeInstanceOf(kind);
  expect(error.message).toMatch(message);
}

describeOnDevice('mistakes in a custom training loop', (device) => {
  const leaf = (data: number[], shape = [data.length]) => tg.tensor(device, data, shape, { requiresGrad: true });
  const build = () => new tg.Sequential([new tg.Dense({ units: 2, inputShape: [3] })]).build(device);
  const lossOf = (model: tg.Model) => tg.mean(tg.square(model.call(tg.tensor(device, [1, 2, 3], [1, 3]))));

  test('step before backward', () => {
    const w = leaf([1, 2]);
    const optimizer = new tg.SGD({ parameters: [w] });
    expectError(
      () => optimizer.step(),
      ArgumentError,
      /^step: no parameter has a gradient; call loss\.backward\(\) before/,
    );
    expect(optimizer.iterations).toBe(0);
    tg.sum(w).backward();
    optimizer.step();
    optimizer.clearGrad();
    expectError(() => optimizer.step(), ArgumentError, /no parameter has a gradient/);
  });

  test('step and clearGrad without parameters, or with an argument', () => {
    const optimizer = new tg.Adam();
    expectError(
      () => optimizer.step(),
      ArgumentError,
      /^step: this optimizer has no parameters.* new Adam\(\{ parameters: model\.parameters \}\)/,
    );
    expectError(() => optimizer.clearGrad(), ArgumentError, /^clearGrad: this optimizer has no parameters/);
    const other = new tg.Adam({ parameters: [leaf([1])] });
    expectError(() => other.step(...([1] as never[])), ArgumentError, /^step: 1 is an argument more/);
  });

  test('parameters that cannot be trained', async () => {
    const w = leaf([1, 2]);
    const disposed = leaf([1]);
    disposed.dispose();
    const makeAdam = (parameters: unknown) => () => new tg.Adam({ parameters: parameters as Tensor[] });
    expectError(makeAdam([]), ArgumentError, /^Adam: parameters is an empty list/);
    expectError(
      makeAdam(w),
      ArgumentError,
      /^Adam: parameters must be model\.parameters or a list of tensors, but is a Tensor/,
    );
    expectError(makeAdam([w, 3]), ArgumentError, /^Adam: parameters\[1\] must be a tensor, but is 3/);
    expectError(
      makeAdam(build().weights),
      ArgumentError,
      /parameters\[0\] must be a tensor, .*parameters: model\.parameters/,
    );
    expectError(
      makeAdam([w, tg.tensor(device, [1], [1])]),
      ArgumentError,
      /parameters\[1\], a tensor of shape \[1\], requires no gradient/,
    );
    expectError(makeAdam([tg.mul(w, 2)]), ArgumentError, /parameters\[0\], .*was computed from others; only leaves/);
    expectError(makeAdam([w, w]), ArgumentError, /parameters\[1\] is the same tensor as parameters\[0\]/);
    expectError(
      makeAdam([w, disposed]),
      DisposedError,
      /parameters\[1\], a tensor of shape \[1\], was used after it was disposed/,
    );
    using other = await tg.openDevice();
    const there = tg.tensor(other, [1], [1], { requiresGrad: true });
    expectError(makeAdam([w, there]), ArgumentError, /parameters\[1\] is on another device than parameters\[0\]/);
    const two = tg.tensor(device, [1, 2], [1], { requiresGrad: true, models: 2 });
    expectError(makeAdam([w, two]), ArgumentError, /parameters\[1\] has 2 replicas, but parameters\[0\] has 1/);
    const model = build();
    model.dispose();
    expect(() => model.parameters).toThrow(DisposedError);
  });

  test('a disposed parameter, model or optimizer', () => {
    const [v, w] = [leaf([1]), leaf([2])];
    const optimizer = new tg.Adam({ parameters: [v, w] });
    const loss = tg.sum(tg.mul(v, w));
    loss.backward();
    w.dispose();
    expectError(() => optimizer.step(), DisposedError, /^step: parameters\[1\], a tensor of shape \[1\], was disposed/);
    expect(optimizer.iterations).toBe(0);
    expectError(() => tg.mul(v, w), DisposedError, /^mul: the right tensor/);
    optimizer.dispose();
    expectError(() => optimizer.step(), DisposedError, /^step: this optimizer was disposed/);
    expect(v.grad).toBeNull();
    const model = build();
    const trainer = new tg.Adam({ parameters: model.parameters });
    lossOf(model).backward();
    model.dispose();
    expectError(
      () => trainer.step(),
      DisposedError,
      /^step: this optimizer was disposed, or its model was disposed or replicated/,
    );
  });

  test('a tensor disposed before the backward pass', () => {
    const w = leaf([1, 2]);
    const x = tg.tensor(device, [3, 4], [2]);
    const loss = tg.sum(tg.mul(w, x));
    x.dispose();
    expectError(() => loss.backward(), DisposedError, /\[2\] was used after it was disposed/);
  });

  test('a second backward pass, also through a part of the graph; a loss that is not a scalar; no gradients', () => {
    const w = leaf([1, 2]);
    const y = tg.square(w);
    const [loss, other] = [tg.sum(y), tg.mean(y)];
    loss.backward();
    expectError(() => loss.backward(), ArgumentError, /^backward: an earlier backward\(\) has gone through this graph/);
    expectError(() => other.backward(), ArgumentError, /or a part of it, and released it; compute the loss again/);
    expectError(() => tg.square(w).backward(), ShapeError, /^backward: a tensor of shape \[2\] is not a scalar/);
    expectError(
      () => tg.tensor(device, [1], [1]).backward(),
      ArgumentError,
      /no tensor that this one was computed from requires a gradient/,
    );
  });

  test('a loss that was computed before its parameters changed', () => {
    const w = leaf([1, 2]);
    const optimizer = new tg.SGD({ parameters: [w] });
    const [first, second, third] = [tg.sum(tg.square(w)), tg.sum(tg.square(w)), tg.sum(tg.square(w))];
    first.backward();
    optimizer.step();
    expectError(() => second.backward(), ArgumentError, /^backward: a tensor of shape \[2\] was given other values/);
    w.assign([1, 2]);
    expectError(() => third.backward(), ArgumentError, /its gradient would be wrong; compute the loss again/);
  });

  test('a tensor that step released: can be read until the next step, and throws afterwards', async () => {
    const w = leaf([1, 2]);
    const optimizer = new tg.SGD({ parameters: [w], learningRate: 0.5 });
    const step = () => {
      const y = tg.square(w);
      const loss = tg.sum(y);
      loss.backward();
      optimizer.step();
      optimizer.clearGrad();
      return { y, loss, kept: loss.detach() };
    };
    const first = step();
    expect(await first.loss.item()).toBe(5);
    expect([...(await first.y.data())]).toEqual([1, 4]);
    const second = step();
    await expect(first.loss.item()).rejects.toThrow(
      /shape \[\] was used after its graph was released:.*read it before that.*detach\(\)/,
    );
    expect(() => tg.neg(first.y)).toThrow(
      /^neg: the input, a tensor of shape \[2\], was used after its graph was released/,
    );
    expect(await first.kept.item()).toBe(5);
    expect(await second.loss.item()).toBe(0);
    optimizer.dispose();
    await expect(second.loss.item()).rejects.toThrow(DisposedError);
  });

  test('setWeights with another number, order, shape or type', async () => {
    const model = new tg.Sequential([
      new tg.Dense({ units: 2, inputShape: [3], name: 'first' }),
      new tg.Dense({ units: 4, name: 'second' }),
    ]).build(device);
    const weights = await model.getWeights();
    const [kernel, bias, kernel2, bias2] = weights as [(typeof weights)[0], ...typeof weights];
    const set = (values: unknown) => () => model.setWeights(values as never);
    expectError(set([kernel, bias]), ArgumentError, /setWeights: the model has 4 weights, but values of 2 were given/);
    expectError(set(kernel), ArgumentError, /setWeights takes a list of values, one for each weight/);
    expectError(
      set([kernel, bias2, kernel2, bias]),
      ShapeError,
      /number 1, first\/bias, has shape \[2\], but its values have \[4\]/,
    );
    expectError(set([bias, kernel, kernel2, bias2]), ShapeError, /number 0, first\/kernel, has shape \[3,2\]/);
    expectError(
      set([kernel, bias, kernel2, [1, 2, Number.NaN, 4]]),
      DataError,
      /number 3, second\/bias,: value 2 is NaN/,
    );
    expectError(
      set([kernel, bias, kernel2, 'four']),
      ArgumentError,
      /number 3, second\/bias, must be an array of numbers/,
    );
    expect(await model.getWeights()).toEqual(weights); // nothing was assigned
    const unbuilt = new tg.Sequential([new tg.Dense({ units: 2, inputShape: [3] })]);
    expect(() => unbuilt.setWeights([])).toThrow(/build\(device\) comes first/);
    await expect(unbuilt.getWeights()).rejects.toThrow(ArgumentError);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    let error: unknown;
    await model.fit(
      { x: [[1, 2, 3]], y: [[1, 2, 3, 4]] },
      {
        callbacks: [
          {
            onEpochEnd() {
              error = errorOf(() => model.setWeights(weights));
            },
          },
        ],
      },
    );
    expect(error).toBeInstanceOf(ArgumentError);
  });

  test('assign with another shape, type, device or kind of value', async () => {
    const t = leaf([1, 2, 3, 4], [2, 2]);
    expectError(() => t.assign([1, 2, 3]), ShapeError, /^assign: shape \[2,2\] needs 4 values, but 3 were given/);
    expectError(
      () => t.assign([[1, 2, 3, 4]]),
      ShapeError,
      /^assign: shape \[2,2\] was asked for, but the data has shape \[1,4\]/,
    );
    expectError(() => t.assign(['a', 2, 3, 4] as never), ArgumentError, /^assign: the value at position 0 is "a"/);
    expectError(() => t.assign(null as never), ArgumentError, /^assign: data must be an array of numbers, but is null/);
    expectError(
      () => t.assign(tg.tensor(device, [1, 2, 3, 4], [4])),
      ShapeError,
      /^assign: the tensor has shape \[2,2\], but the values have \[4\]/,
    );
    const integers = tg.tensor(device, [1, 2, 3, 4], [2, 2], { dtype: 'i32' });
    expectError(
      () => t.assign(integers),
      ArgumentError,
      /^assign: the tensor is f32, but the values are i32; use cast/,
    );
    expectError(() => integers.assign([0.5, 1, 2, 3]), ArgumentError, /^assign: 0.5 at position 0 does not fit i32/);
    using other = await tg.openDevice();
    expectError(
      () => t.assign(tg.tensor(other, [1, 2, 3, 4], [2, 2])),
      ArgumentError,
      /^assign: the arguments are on different devices/,
    );
    const two = tg.tensor(device, new Array(8).fill(1), [2, 2], { models: 2 });
    expectError(() => t.assign(two), ShapeError, /^assign: the arguments have different numbers of replicas/);
    const disposed = leaf([1, 2, 3, 4], [2, 2]);
    disposed.dispose();
    expectError(
      () => disposed.assign([1, 2, 3, 4]),
      DisposedError,
      /^assign: the tensor, of shape \[2,2\], was used after/,
    );
    expectError(
      () => t.assign(disposed),
      DisposedError,
      /^assign: the values, a tensor of shape \[2,2\], was used after/,
    );
    expect([...(await t.data())]).toEqual([1, 2, 3, 4]);
  });

  test('fit and a custom loop that share one optimizer', async () => {
    const model = build();
    const optimizer = new tg.Adam({ parameters: model.parameters });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    let error: unknown;
    await model.fit(
      { x: [[1, 2, 3]], y: [[1, 2]] },
      {
        callbacks: [
          {
            onEpochEnd() {
              error = errorOf(() => optimizer.step());
            },
          },
        ],
      },
    );
    expect((error as Error).message).toMatch(/^step: this optimizer is in use by a running training/);
    expect(optimizer.iterations).toBe(1);
    lossOf(model).backward();
    optimizer.step(); // fit has ended, so the loop can continue
    expect(optimizer.iterations).toBe(2);
    const other = build().compile({ optimizer, loss: 'meanSquaredError' });
    await expect(other.fit({ x: [[1, 2, 3]], y: [[1, 2]] })).rejects.toThrow(/already belongs to another model/);
  });

  test('a step inside device.record', () => {
    const w = leaf([1]);
    const optimizer = new tg.SGD({ parameters: [w] });
    tg.sum(w).backward();
    expectError(
      () => device.record(() => optimizer.step()),
      GpuError,
      /^step: within device\.record\(\).* use compileStep/,
    );
  });
});
