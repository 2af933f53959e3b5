import { expect, it } from 'vitest';
import { Conv2D, Dense, type Device, Flatten, MaxPooling2D, Sequential } from '../../src/node.ts';
import { readFirstFilters } from '../../web/src/worker/filters.ts';
import { describeOnDevice } from '../support/device.ts';

/** A value that encodes its position, exact in f32. */
const valueAt = (replica: number, y: number, x: number, channel: number, filter: number) =>
  (replica + 1) * (-1) ** filter * (1 + filter + 100 * (channel + 3 * (x + 8 * y)));

/** The model with `valueAt` in its first kernel, whose rows are image pixels in row-major order. */
function withNamedWeights(
  model: Sequential,
  device: Device,
  replicas: number,
  [height, width, channels, count]: number[],
) {
  model.build(device, { replicas });
  const values: number[] = [];
  for (let r = 0; r < replicas; r++)
    for (let y = 0; y < height!; y++)
      for (let x = 0; x < width!; x++)
        for (let c = 0; c < channels!; c++) for (let f = 0; f < count!; f++) values.push(valueAt(r, y, x, c, f));
  model.weights[0]!.tensor.assign(Float32Array.from(values));
  return model;
}

/** [count, channels, height, width] of `valueAt`. */
function weightValues(replica: number, [height, width, channels, count]: number[]): number[] {
  const values: number[] = [];
  for (let f = 0; f < count!; f++)
    for (let c = 0; c < channels!; c++)
      for (let y = 0; y < height!; y++) for (let x = 0; x < width!; x++) values.push(valueAt(replica, y, x, c, f));
  return values;
}

describeOnDevice('readFirstFilters', (device) => {
  it('readFirstFilters: returns the filters of a convolution, for each replica', async () => {
    const model = new Sequential([
      new Conv2D({ filters: 6, kernelSize: [5, 3], inputShape: [8, 8, 3], name: 'first' }),
      new MaxPooling2D(),
      new Flatten(),
      new Dense({ units: 2 }),
    ]);
    withNamedWeights(model, device, 2, [5, 3, 3, 6]);
    for (const replica of [0, 1]) {
      const { values, ...rest } = (await readFirstFilters(model, replica))!;
      expect(rest).toEqual({
        layer: 'first',
        kind: 'convolution',
        count: 6,
        height: 5,
        width: 3,
        channels: 3,
        limit: Math.max(...weightValues(replica, [5, 3, 3, 6]).map(Math.abs)),
      });
      expect(Array.from(values)).toEqual(weightValues(replica, [5, 3, 3, 6]));
    }
    model.dispose();
  });

  it('readFirstFilters: returns the weights of dense units as images, 30 of 70 gray ones and 10 of 70 in colors', async () => {
    for (const [channels, shown] of [
      [1, 30],
      [3, 10],
    ] as const) {
      const model = new Sequential([new Flatten({ inputShape: [4, 8, channels] }), new Dense({ units: 70 })]);
      withNamedWeights(model, device, 1, [4, 8, channels, 70]);
      const { values, ...rest } = (await readFirstFilters(model))!;
      const expected = weightValues(0, [4, 8, channels, 70]).slice(0, shown * 32 * channels);
      const limit = Math.max(...expected.map(Math.abs));
      expect(rest).toEqual({ layer: 'dense', kind: 'dense', count: 70, height: 4, width: 8, channels, limit });
      expect(Array.from(values)).toEqual(expected);
      model.dispose();
    }
  });

  it('readFirstFilters: ignores values that are not finite in the limit', async () => {
    const model = new Sequential([new Flatten({ inputShape: [1, 4, 1] }), new Dense({ units: 1 })]).build(device);
    device.upload(model.weights[0]!.tensor.array.storage, Float32Array.of(Number.NaN, -2, Number.POSITIVE_INFINITY, 1));
    const { values, limit } = (await readFirstFilters(model))!;
    expect(Array.from(values)).toEqual([Number.NaN, -2, Number.POSITIVE_INFINITY, 1]);
    expect(limit).toBe(2);
    model.dispose();
  });

  it('readFirstFilters: returns null if the first layer with weights does not read the image', async () => {
    const model = new Sequential([
      new MaxPooling2D({ inputShape: [4, 4, 1] }),
      new Flatten(),
      new Dense({ units: 2 }),
    ]).build(device);
    expect(await readFirstFilters(model)).toBeNull();
    model.dispose();
  });
});
