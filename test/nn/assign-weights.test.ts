import { expect, test } from 'vitest';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('reading and assigning weights', (device) => {
  const build = (replicas = 1) =>
    new tg.Sequential([
      new tg.Dense({ units: 3, inputShape: [5] }),
      new tg.BatchNormalization(),
      new tg.Dense({ units: 2 }),
    ]).build(device, { seed: replicas, replicas });

  test('getWeights, setWeights: copy all weights in order, also to another model', async () => {
    const [a, b] = [build(), build(1)];
    b.setWeights((await a.getWeights()).map(({ shape, data }, i) => ({ shape, data: data.map((v) => v + i) })));
    const [from, to] = [await a.getWeights(), await b.getWeights()];
    expect(from.map(({ shape }) => shape)).toEqual([[5, 3], [3], [3], [3], [3], [3], [3, 2], [2]]);
    for (const [i, { data }] of from.entries()) expect(to[i]!.data).toEqual(data.map((v) => v + i));
    for (const [i, { tensor }] of b.weights.entries()) expect(await tensor.data()).toEqual(to[i]!.data);
    b.setWeights(from);
    const x = Float32Array.from({ length: 20 }, (_, i) => Math.cos(i));
    expect(await b.predict(x)).toEqual(await a.predict(x));
  });

  test('getWeights, setWeights: have the values of all replicas; later replicas get copies', async () => {
    const two = build(2);
    const values = await two.getWeights();
    expect(values[0]!.shape).toEqual([2, 5, 3]);
    two.setWeights(values.map(({ shape, data }) => ({ shape, data: data.map((v) => -v) })));
    expect((await two.getWeights())[0]!.data).toEqual(values[0]!.data.map((v) => -v));
    const one = build();
    one.weights[0]!.tensor.assign(new Float32Array(15).fill(0.5));
    one.replicate(2); // not the values that the seeds would give
    expect((await one.getWeights())[0]!.data).toEqual(new Float32Array(30).fill(0.5));
  });

  test('assign: replaces values in place, from numbers, lists, tensors, itself and weights of the same model', async () => {
    const t = tg.tensor(device, [1, 2, 3, 4], [2, 2]);
    const read = async (one: tg.Tensor) => [...(await one.data())];
    expect(await read(t.assign([[5, 6], [7, -0]]))).toEqual([5, 6, 7, -0]); // biome-ignore format: as rows
    expect(await read(t.assign(Float32Array.of(1, 2, 3, 4)))).toEqual([1, 2, 3, 4]);
    expect(await read(t.assign(t))).toEqual([1, 2, 3, 4]);
    const other = tg.tensor(device, [-0, Number.NaN, Number.POSITIVE_INFINITY, 1], [2, 2]);
    expect(await read(t.assign(other))).toEqual([-0, Number.NaN, Number.POSITIVE_INFINITY, 1]);
    const u = tg.tensor(device, [4294967295], [], { dtype: 'u32' });
    expect(await read(tg.tensor(device, [1], [], { dtype: 'u32' }).assign(u))).toEqual([4294967295]);
    const empty = tg.tensor(device, [], [0, 3]);
    expect(await read(empty.assign(tg.tensor(device, [], [0, 3])))).toEqual([]);
    const model = build();
    const [, , gamma, beta] = model.weights.map(({ tensor }) => tensor);
    beta!.assign(gamma!);
    expect(await read(beta!)).toEqual([1, 1, 1]);
  });

  test('detach: shares the values without the tape, and outlives its tensor', async () => {
    const x = tg.tensor(device, [1, 2], [2], { requiresGrad: true });
    const y = tg.square(x);
    const z = y.detach();
    y.dispose();
    expect(z.requiresGrad).toBe(false);
    expect([...(await z.data())]).toEqual([1, 4]);
    expect(() => y.detach()).toThrow(tg.DisposedError);
  });

  test('Adam: one step on tensors agrees with float64', async () => {
    // loss = mean((x w - y)^2) + 0.1 sum |w|, with clipping of the norm of all gradients.
    const [x, y, w, b] = [[0.5, -1, 2, 0.25, 1.5, -0.75], [1, -2, 0.5], [0.3, -0.8], [0.1]] as const;
    const outputAt = (i: number) => x[2 * i]! * w[0] + x[2 * i + 1]! * w[1] + b[0];
    const error = [0, 1, 2].map((i) => outputAt(i) - y[i]!);
    const mean = (of: (i: number) => number) => [0, 1, 2].reduce((sum, i) => sum + of(i), 0) / 3;
    const raw = [0, 1].map((k) => mean((i) => 2 * error[i]! * x[2 * i + k]!) + 0.1 * Math.sign(w[k]!));
    raw.push(mean((i) => 2 * error[i]!));
    const norm = Math.hypot(...raw);
    const scale = Math.min(1, 0.5 / norm);
    expect(scale).toBeLessThan(1);
    const [rate, beta1, beta2, epsilon] = [0.01, 0.9, 0.999, 1e-7];
    const moved = [...w, ...b].map((value, k) => {
      const g = raw[k]! * scale;
      const [m, v] = [(1 - beta1) * g, (1 - beta2) * g * g];
      return value - (rate * Math.sqrt(1 - beta2) * m) / (1 - beta1) / (Math.sqrt(v) + epsilon);
    });
    const leaf = (data: readonly number[], shape: number[]) =>
      tg.tensor(device, [...data], shape, { requiresGrad: true });
    const [weight, bias] = [leaf(w, [2, 1]), leaf(b, [1])];
    const optimizer = new tg.Adam({ parameters: [weight, bias], learningRate: rate, globalClipNorm: 0.5 });
    const output = tg.linear(tg.tensor(device, [...x], [3, 2]), weight, bias);
    const loss = tg.add(
      tg.meanSquaredError(output, tg.tensor(device, [...y], [3, 1])),
      tg.mul(tg.sum(tg.abs(weight)), 0.1),
    );
    loss.backward();
    optimizer.step();
    const expectedLoss = mean((i) => error[i]! ** 2) + 0.1 * (Math.abs(w[0]) + Math.abs(w[1]));
    expect(await loss.item()).toBeCloseTo(expectedLoss, 6);
    const found = [...(await weight.data()), ...(await bias.data())];
    for (const [k, value] of moved.entries()) expect(found[k]).toBeCloseTo(value, 6);
  });

  test('gradients: add up over backward passes, can be replaced, and are kept by an optimizer created later', async () => {
    const w = tg.tensor(device, [1, 1], [2], { requiresGrad: true });
    const v = tg.tensor(device, [1], [1], { requiresGrad: true });
    tg.sum(tg.mul(w, 3)).backward();
    const optimizer = new tg.SGD({ parameters: [w, v], learningRate: 1 });
    tg.sum(tg.mul(w, 2)).backward();
    optimizer.step(); // v got no gradient
    expect([...(await w.data())]).toEqual([-4, -4]);
    expect([...(await v.data())]).toEqual([1]);
    w.grad = tg.tensor(device, [1, 2], [2]);
    optimizer.step();
    expect([...(await w.data())]).toEqual([-5, -6]);
    w.clearGrad();
    expect(w.grad).toBeNull();
  });
});
