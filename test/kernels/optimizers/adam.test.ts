import { test } from 'vitest';
import { adam } from '../../../src/kernels/optimizers/optimizer.ts';
import { StepState } from '../../../src/kernels/optimizers/step-state.ts';
import { tensor } from '../../../src/node.ts';
import { map, ndarray } from '../../reference/ndarray.ts';
import { adamState, adamStep } from '../../reference/optimizers.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike } from '../../support/operator-cases.ts';

describeOnDevice('Adam kernel', (device) => {
  test.each([
    { size: 1, learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
    { size: 1009, learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
    { size: 64, learningRate: 0.05, beta1: 0.5, beta2: 0.9, epsilon: 1e-3 },
    { size: 65, learningRate: 0.01, beta1: 0, beta2: 0.9, epsilon: 1e-7 },
  ])('agrees with the reference over 20 steps: %j', async ({ size, ...options }) => {
    const start = drawLike([size], 1);
    // Gradients of all sizes, and one weight that never gets any.
    const gradient = (step: number) =>
      map(drawLike([size], 10 + step), (g, i) => Math.fround(i === 7 ? 0 : g * 10 ** ((i % 9) - 4)));

    const expected = ndarray([size], start.data);
    const state = adamState([expected]);
    const weight = tensor(device, start.data, [size]);
    const [m, v] = [tensor(device, new Float32Array(size), [size]), tensor(device, new Float32Array(size), [size])];
    const onDevice = new StepState(device);
    const { learningRate, beta1, beta2 } = options;
    for (let step = 1; step <= 20; step++) {
      adamStep([expected], [gradient(step)], state, options);
      const g = tensor(device, gradient(step).data, [size]);
      const stepSize = (learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step);
      onDevice.write({ batchStart: 0, step, rates: [{ stepSize, rate: learningRate }] });
      adam({ weight: weight.array, gradient: g.array }, { m: m.array, v: v.array }, onDevice, options);
      device.flush();
      g.dispose();
    }
    // Twenty roundings of weights around 1, and of moments that are sums of their past.
    expectClose(await weight.data(), expected.data, {
      magnitude: map(expected, (w) => 1 + Math.abs(w)).data,
      rtol: 2e-6,
    });
    expectClose(await v.data(), state.v[0]!.data, { rtol: 3e-6 }, 'v');
    const scale = map(state.v[0]!, Math.sqrt).data;
    expectClose(await m.data(), state.m[0]!.data, { magnitude: scale, rtol: 3e-6 }, 'm');
    for (const t of [weight, m, v]) t.dispose();
    onDevice.dispose();
  });
});
