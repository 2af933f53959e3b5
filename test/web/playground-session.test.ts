import { expect, test } from 'vitest';
import type { Counters, Device } from '../../src/node.ts';
import { ArgumentError } from '../../src/node.ts';
import { HALF_WIDTH } from '../../web/src/playground/data.ts';
import { gridPositions } from '../../web/src/playground/field.ts';
import { Session, SURFACE_SIZE, UNIT_SIZE } from '../../web/src/playground/session.ts';
import { DEFAULTS, type Settings } from '../../web/src/playground/settings.ts';
import { type NdArray, ndarray } from '../reference/ndarray.ts';
import { adamwStep, rmspropStep, sgdStep, slotsOf } from '../reference/optimizers.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';

const settingsOf = (changes: Partial<Settings>): Settings => ({ ...DEFAULTS, ...changes });
const ACTIVATION: Record<Settings['activation'], { f(z: number): number; slope(z: number): number }> = {
  tanh: { f: Math.tanh, slope: (z) => 1 - Math.tanh(z) ** 2 },
  relu: { f: (z) => Math.max(0, z), slope: (z) => (z > 0 ? 1 : 0) },
  leakyRelu: { f: (z) => (z > 0 ? z : 0.01 * z), slope: (z) => (z > 0 ? 1 : 0.01) },
  sigmoid: { f: (z) => 1 / (1 + Math.exp(-z)), slope: (z) => Math.exp(-z) / (1 + Math.exp(-z)) ** 2 },
  linear: { f: (z) => z, slope: () => 1 },
};

/** Layer by layer, for one point: sums z and outputs h of the hidden layers, and the logits. */
function forward(weights: readonly NdArray[], activation: Settings['activation'], point: readonly number[]) {
  const zs: number[][] = [];
  const hs: number[][] = [[...point]];
  for (let k = 0; k < weights.length; k += 2) {
    const [w, b] = [weights[k]!, weights[k + 1]!];
    const units = b.data.length;
    const z = Array.from(b.data, (bias, u) => hs.at(-1)!.reduce((sum, h, i) => sum + h * w.data[i * units + u]!, bias));
    zs.push(z);
    if (k + 2 < weights.length) hs.push(z.map(ACTIVATION[activation].f));
  }
  return { zs, hs, logits: zs.at(-1)! };
}

/** Gradients of the mean cross-entropy of a batch plus penalties, by the chain rule, in float64. */
function gradients(weights: readonly NdArray[], settings: Settings, batch: { point: number[]; label: number }[]) {
  const grads = weights.map(({ shape }) => ndarray(shape));
  for (const { point, label } of batch) {
    const { zs, hs, logits } = forward(weights, settings.activation, point);
    const p = 1 / (1 + Math.exp(logits[0]! - logits[1]!));
    let dz = [label - p, p - label].map((d) => d / batch.length);
    for (let k = weights.length - 2; k >= 0; k -= 2) {
      const [w, h] = [weights[k]!, hs[k / 2]!];
      const units = dz.length;
      for (const [u, d] of dz.entries()) {
        grads[k + 1]!.data[u]! += d;
        for (const [i, value] of h.entries()) grads[k]!.data[i * units + u]! += value * d;
      }
      if (k === 0) break;
      const slopes = zs[k / 2 - 1]!.map(ACTIVATION[settings.activation].slope);
      dz = slopes.map((slope, i) => slope * dz.reduce((sum, d, u) => sum + d * w.data[i * units + u]!, 0));
    }
  }
  const { penalty, strength: rate } = settings;
  for (let k = 0; k < weights.length; k += 2) {
    for (const [i, w] of weights[k]!.data.entries()) {
      if (penalty === 'l1') grads[k]!.data[i]! += rate * Math.sign(w);
      if (penalty === 'l2') grads[k]!.data[i]! += 2 * rate * w;
    }
  }
  return grads;
}

const shapesOf = ({ layers }: Settings) => {
  const sizes = [2, ...layers, 2];
  return sizes.slice(1).flatMap((units, i) => [[sizes[i]!, units], [units]]);
};
const weightsOf = async (session: Session): Promise<NdArray[]> => {
  const { weights, settings } = await session.capture();
  return weights.map((values, i) => ndarray(shapesOf(settings)[i]!, values));
};

describeOnDevice('playground session', (device) => {
  const open = (changes: Partial<Settings>) => new Session(device, settingsOf(changes));

  test.each<Partial<Settings>>([
    { optimizer: 'sgd', rate: 0.1, activation: 'tanh', penalty: 'l1', strength: 0.01 },
    { optimizer: 'momentum', rate: 0.05, activation: 'relu', layers: [4], penalty: 'l2', strength: 0.02 },
    { optimizer: 'rmsprop', rate: 0.01, activation: 'sigmoid' },
    { optimizer: 'adam', rate: 0.02, activation: 'leakyRelu', layers: [5, 4, 3] },
    { optimizer: 'adam', rate: 0.02, activation: 'linear', layers: [] },
  ])('trains as in float64: %o', async (changes) => {
    // All training points are in each step, so the order of the epoch does not matter.
    const session = open({ data: 'xor', layers: [4, 3], share: 10, batch: 400, ...changes });
    const { settings, training } = session;
    const weights = await weightsOf(session);
    const slots = weights.map(slotsOf);
    const batch = Array.from(training.labels, (label, i) => ({
      point: [...training.positions.subarray(2 * i, 2 * i + 2)],
      label,
    }));
    expect(batch).toHaveLength(40);
    session.train(12);
    for (let t = 1; t <= 12; t++) {
      const grads = gradients(weights, settings, batch);
      const options = { learningRate: settings.rate };
      for (const [i, weight] of weights.entries()) {
        if (settings.optimizer === 'adam') adamwStep(weight, grads[i]!, slots[i]!, t, { ...options, weightDecay: 0 });
        else if (settings.optimizer === 'rmsprop') rmspropStep(weight, grads[i]!, slots[i]!, t, options);
        else {
          const momentum = settings.optimizer === 'momentum' ? 0.9 : 0;
          sgdStep(weight, grads[i]!, slots[i]!, t, { ...options, momentum });
        }
      }
    }
    for (const [i, trained] of (await weightsOf(session)).entries()) {
      expectClose(trained.data, weights[i]!.data, { rtol: 1e-3, atol: 1e-4 }, `weight ${i}`);
    }
    const { training: score } = await session.look();
    const losses = batch.map(({ point, label }) => {
      const { logits } = forward(weights, settings.activation, point);
      return Math.log(1 + Math.exp(logits[1 - label]! - logits[label]!));
    });
    expect(score!.loss[0]).toBeCloseTo(losses.reduce((a, b) => a + b, 0) / 40, 4);
    session.dispose();
  });

  test('snapshot: surface, outputs of units, losses and accuracies are those of the weights, in their places', async () => {
    const session = open({ data: 'moons', layers: [3, 2], activation: 'tanh', share: 30 });
    session.train(30);
    const look = await session.look();
    const weights = await weightsOf(session);
    const probability = (point: readonly number[]) => {
      const [z0, z1] = forward(weights, 'tanh', point).logits;
      return 1 / (1 + Math.exp(z0! - z1!));
    };
    const top = -HALF_WIDTH + (2 * HALF_WIDTH * 5) / (SURFACE_SIZE - 1);
    expect(look.surface).toHaveLength(SURFACE_SIZE ** 2);
    expect(look.surface[5]).toBeCloseTo(probability([top, HALF_WIDTH]), 4);
    expect(look.surface[SURFACE_SIZE * 5]).toBeCloseTo(probability([-HALF_WIDTH, -top]), 4);
    const nodes = gridPositions(UNIT_SIZE);
    expect(look.units.map((layer) => layer.length)).toEqual([3 * UNIT_SIZE ** 2, 2 * UNIT_SIZE ** 2]);
    for (const node of [0, 7, UNIT_SIZE * 9 + 2]) {
      const { hs } = forward(weights, 'tanh', [...nodes.subarray(2 * node, 2 * node + 2)]);
      expectClose(look.units[0]!.subarray(3 * node, 3 * node + 3), hs[1]!, { rtol: 1e-4, atol: 1e-5 });
      expectClose(look.units[1]!.subarray(2 * node, 2 * node + 2), hs[2]!, { rtol: 1e-4, atol: 1e-5 });
    }
    for (const [score, { positions, labels }] of [
      [look.training, session.training],
      [look.test, session.test],
    ] as const) {
      const right = Array.from(labels, (label, i) => {
        const p = probability([...positions.subarray(2 * i, 2 * i + 2)]);
        return label === 1 ? p : 1 - p;
      });
      expect(score!.loss[0]).toBeCloseTo(right.reduce((sum, p) => sum - Math.log(p), 0) / right.length, 4);
      expect(score!.accuracy[0]).toBe(right.filter((p) => p > 0.5).length / right.length);
    }
    const [boundary] = look.boundaries;
    expect(boundary!.length).toBeGreaterThan(0);
    for (let i = 0; i < boundary!.length; i += 2)
      expect(Math.abs(probability([boundary![i]!, boundary![i + 1]!]) - 0.5)).toBeLessThan(0.03);
    session.dispose();
  });

  test('every epoch has each training point once, in another order', async () => {
    // With a rate this small all gradients are those at the first weights, so an epoch changes the weights by their sum, in any order.
    const session = open({ data: 'xor', layers: [2], batch: 8, share: 10, optimizer: 'sgd', rate: 0.00001 });
    const moves = async (steps: number) => {
      const before = await weightsOf(session);
      session.train(steps);
      const after = await weightsOf(session);
      return after.map(({ data }, i) => Array.from(data, (w, e) => (before[i]!.data[e]! - w) / 0.00001));
    };
    const { positions, labels } = session.training;
    const batch = Array.from(labels, (label, i) => ({ point: [...positions.subarray(2 * i, 2 * i + 2)], label }));
    const mean = gradients(await weightsOf(session), session.settings, batch);
    expect(session.stepsPerEpoch).toBe(5);
    const firstSteps: number[][] = [];
    for (const epoch of [0, 1]) {
      const first = await moves(1);
      firstSteps.push(first.flat());
      expect([session.epoch, (await session.look()).epoch]).toEqual([epoch, epoch + 1 / 5]);
      const rest = await moves(4);
      expect([session.epoch, session.step]).toEqual([epoch + 1, 5 * (epoch + 1)]);
      for (const [i, { data }] of mean.entries()) {
        const moved = first[i]!.map((move, e) => move + rest[i]![e]!);
        // The weights are about 1, where f32 has steps of 6e-8: an error of 0.006 in a change divided by the rate.
        const expected = Array.from(data, (g) => 5 * g);
        expectClose(moved, expected, { rtol: 0.01, atol: 0.05 }, `weight ${i}, epoch ${epoch}`);
      }
    }
    const apart = firstSteps[0]!.map((move, e) => Math.abs(move - firstSteps[1]![e]!));
    expect(Math.max(...apart)).toBeGreaterThan(0.1);
    session.dispose();
  });

  test('a replica has the bits of a session with its seed, and equal settings give equal bits', async () => {
    const three = open({ data: 'spirals', seed: 4, replicas: 3, layers: [6, 5] });
    const alone = open({ data: 'spirals', seed: 6, layers: [6, 5] });
    const again = open({ data: 'spirals', seed: 6, layers: [6, 5] });
    for (const session of [three, alone, again]) session.train(25);
    const [all, one, same] = await Promise.all([three, alone, again].map((session) => session.capture()));
    for (const [i, weight] of one!.weights.entries()) {
      expectSameBits(all!.weights[i]!.subarray(2 * weight.length), weight, `weight ${i} of replica 2`);
      expectSameBits(same!.weights[i]!, weight, `weight ${i} again`);
    }
    const [look, single] = [await three.look(), await alone.look()];
    expect(look.training!.loss[2]).toBe(single.training!.loss[0]);
    expect(look.boundaries[2]).toEqual(single.boundaries[0]);
    expect(look.boundaries[0]).not.toEqual(look.boundaries[1]);
    for (const session of [three, alone, again]) session.dispose();
  });

  test.each(['adam', 'momentum'] as const)('%s: a checkpoint is restored with the same bits', async (optimizer) => {
    const whole = open({ optimizer, penalty: 'l2', batch: 30 });
    whole.train(20);
    const checkpoint = structuredClone(await whole.capture());
    const rest = Session.restore(device, checkpoint);
    whole.train(17);
    rest.train(17);
    const [a, b] = [await whole.capture(), await rest.capture()];
    expect(b).toEqual(a);
    expect(b.step).toBe(37);
    whole.dispose();
    rest.dispose();
  });

  test('a checkpoint after a change of the optimizer is restored with the same bits', async () => {
    const before = open({ optimizer: 'sgd', rate: 0.05 });
    before.train(20);
    const checkpoint = await before.capture();
    const whole = Session.restore(device, checkpoint, { ...checkpoint.settings, optimizer: 'adam' });
    whole.train(3);
    const rest = Session.restore(device, structuredClone(await whole.capture()));
    whole.train(3);
    rest.train(3);
    expect(await rest.capture()).toEqual(await whole.capture());
    for (const session of [before, whole, rest]) session.dispose();
  });

  test('other settings continue from the weights: an added point is trained on', async () => {
    const before = open({ data: 'gaussians', layers: [4], rate: 0.05 });
    before.train(40);
    const checkpoint = await before.capture();
    const point = { x: 0.9, y: 0.9, label: 0 };
    const after = Session.restore(device, checkpoint, {
      ...checkpoint.settings,
      points: [point],
      rate: 0.2,
      batch: 50,
    });
    expect(after.training.labels).toHaveLength(before.training.labels.length + 1);
    expect([...after.training.positions.slice(-2)]).toEqual([Math.fround(0.9), Math.fround(0.9)]);
    const [a, b] = [await before.look(), await after.look()];
    expect(b.surface).toEqual(a.surface);
    expect(b.epoch).toBe(before.epoch);
    after.train(1);
    expect((await after.look()).surface).not.toEqual(a.surface);
    before.dispose();
    after.dispose();
  });

  test('train: throws ArgumentError if there is no training point; look still shows the surface', async () => {
    const session = open({ data: 'own' });
    expect(() => session.train(1)).toThrow(ArgumentError);
    expect(() => session.train(1)).toThrow('there is no training point; place some, or choose a data set');
    const look = await session.look();
    expect([look.training, look.test, look.step, look.epoch]).toEqual([null, null, 0, 0]);
    session.dispose();
  });

  test('a small network separates the circles, for three seeds', async () => {
    const session = open({ data: 'circles', layers: [8], replicas: 3, noise: 0 });
    const first = await session.look();
    session.train(40 * session.stepsPerEpoch);
    const { test: score } = await session.look();
    expect(Math.min(...score!.accuracy)).toBeGreaterThan(0.95);
    expect(Math.max(...score!.loss)).toBeLessThan(Math.min(...first.test!.loss) / 2);
    session.dispose();
  });

  test('every product uses the reference kernel, because tiles would be mostly empty', async () => {
    device.choices.used.clear();
    const session = open({ layers: [7, 3], batch: 30 });
    session.train(session.stepsPerEpoch); // with a last batch of 20
    await session.look();
    const products = [...device.choices.used.values()].filter(({ operator }) => operator === 'matmul');
    expect(products.length).toBeGreaterThanOrEqual(3 * (3 + 2) + 3 + 3);
    expect(products.filter(({ variant }) => variant !== 'naive')).toEqual([]);
    session.dispose();
  });

  test('in steady state a step creates nothing, is one submit and reads nothing back; a disposed session holds no memory', async () => {
    const cycle = async () => {
      const session = open({ batch: 30, penalty: 'l1', replicas: 2 });
      session.train(2 * session.stepsPerEpoch);
      await session.look();
      await session.capture();
      const before = { ...device.counters };
      session.train(session.stepsPerEpoch);
      const steps = difference(device, before);
      await device.sync();
      session.dispose();
      return { steps, stepsPerEpoch: session.stepsPerEpoch };
    };
    const { steps, stepsPerEpoch } = await cycle();
    expect(steps).toMatchObject({
      ...{ pipelinesCreated: 0, bindGroupsCreated: 0, buffersCreated: 0, readBacks: 0, bytesReadBack: 0 },
      submits: stepsPerEpoch,
    });
    device.trim();
    const before = device.counters.bytesAllocated;
    await cycle();
    device.trim();
    expect(device.counters.bytesAllocated).toBe(before);
  });
});

function difference(device: Device, before: Counters): Counters {
  const keys = Object.keys(before) as (keyof Counters)[];
  return Object.fromEntries(keys.map((key) => [key, device.counters[key] - before[key]])) as unknown as Counters;
}
