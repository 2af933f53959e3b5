import { expect, test } from 'vitest';
import { Conv2D, Dense, Flatten, glorotUniform, type Layer, Sequential, zeros } from '../../src/node.ts';
import { RandomStream } from '../../src/random.ts';
import { describeOnDevice } from '../support/device.ts';

// Fans as Keras counts them: a filter's window multiplies both.
test.each([
  { shape: [300, 200], fanIn: 300, fanOut: 200 },
  { shape: [5, 5, 32, 64], fanIn: 800, fanOut: 1600 },
  { shape: [3, 1, 40, 100], fanIn: 120, fanOut: 300 },
])('glorotUniform of $shape: within its limit, and as wide as it should be', ({ shape, fanIn, fanOut }) => {
  const values = glorotUniform(shape, new RandomStream(5, 'initializer', 0));
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(largest).toBeLessThanOrEqual(limit);
  expect(largest).toBeGreaterThan(0.999 * limit);
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + value ** 2, 0) / n;
  expect(Math.abs(mean)).toBeLessThan(4 * (limit / Math.sqrt(3 * n)));
  // The variance of Glorot and Bengio: 2 / (fan in + fan out), within four standard errors of its estimate.
  expect(variance * ((fanIn + fanOut) / 2)).toBeCloseTo(1, 1);
  expect(Math.abs(variance - limit ** 2 / 3)).toBeLessThan(4 * limit ** 2 * Math.sqrt(4 / 45 / n));
});

test('zeros are zeros', () => {
  expect([...zeros([3], new RandomStream(5, 'initializer', 0))]).toEqual([0, 0, 0]);
});

describeOnDevice('initial weights', (device) => {
  const weightsOf = async (layers: Layer[], seed: number) => {
    using model = new Sequential(layers).build(device, { seed });
    return Promise.all(model.weights.map(async ({ tensor }) => [...(await tensor.data())]));
  };
  const front = () => [new Conv2D({ filters: 3, kernelSize: 2, inputShape: [4, 4, 2] }), new Flatten()];

  test('do not depend on later layers, differ by seed and by layer, and repeat', async () => {
    const short = await weightsOf([...front(), new Dense({ units: 5 })], 1);
    const long = await weightsOf([...front(), new Dense({ units: 5 }), new Dense({ units: 7 })], 1);
    expect(long.slice(0, 4)).toEqual(short);
    const other = await weightsOf([...front(), new Dense({ units: 5 })], 2);
    expect(other[0]).not.toEqual(short[0]);
    expect(other[2]).not.toEqual(short[2]);
    const [first, , second] = await weightsOf([new Dense({ units: 4, inputShape: [4] }), new Dense({ units: 4 })], 1);
    expect(second).not.toEqual(first);
  });
});
