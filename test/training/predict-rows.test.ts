import { expect, expectTypeOf, test } from 'vitest';
import { ArgumentError, ArrayLoader, Dense, type Device, Reshape, Sequential } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';

const { normal } = random(1);
const x = Float32Array.from({ length: 14 }, normal); // 7 samples

const build = (device: Device, replicas = 1) =>
  new Sequential([new Dense({ units: 6, inputShape: [2] })]).build(device, { seed: 1, replicas });

describeOnDevice('predict with rows', (device) => {
  test('returns a list with the values of each sample, in order', async () => {
    using model = build(device);
    const flat = await model.predict(x, { batchSize: 3 });
    const rows = await model.predict(x, { batchSize: 3, rows: true });
    expectTypeOf(flat).toEqualTypeOf<Float32Array>();
    expectTypeOf(rows).toEqualTypeOf<Float32Array[]>();
    expect(rows).toHaveLength(7);
    for (const [i, row] of rows.entries()) expect(row).toEqual(flat.slice(6 * i, 6 * (i + 1)));
    expect(await model.predict(x, { batchSize: 3, rows: false })).toEqual(flat);
    using loader = new ArrayLoader(device, { x, shape: [2] });
    expect(await model.predict(loader, { rows: true, batchSize: 3 })).toEqual(rows);
  });

  test('returns outputs of higher rank in row-major order, and replicas one after another', async () => {
    using model = build(device, 2);
    const rows = await model.predict(x, { rows: true });
    expect(rows).toHaveLength(14);
    expect(rows[0]).not.toEqual(rows[7]);
    using shaped = new Sequential([...model.layers, new Reshape([3, 2])]).build(device, { seed: 1, replicas: 2 });
    expect(await shaped.predict(x, { rows: true })).toEqual(rows);
  });

  test.each([
    ['rows of a kind', { rows: 'nested' }, /predict: rows must be true or false, but is "nested"/],
    ['a misspelt option', { row: true }, /no option row; did you mean rows\?/],
  ])('throws for %s', async (_what, options, says) => {
    using model = build(device);
    await expect(model.predict(x, options as never)).rejects.toThrow(ArgumentError);
    await expect(model.predict(x, options as never)).rejects.toThrow(says);
  });
});
