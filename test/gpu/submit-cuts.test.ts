import { expect, test } from 'vitest';
import { type TimingOptions, timeProgram } from '../../src/gpu/timing.ts';
import { DeviceArray } from '../../src/kernels/array.ts';
import { gatherSamples, storeBatch } from '../../src/kernels/gather/gather.ts';
import { StepState } from '../../src/kernels/optimizers/step-state.ts';
import { type Device, leakyRelu, openDevice, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

/** Fixes the maximum cost of a submit, whatever rates are measured. */
const fix = (device: Device, submit: number) =>
  Object.defineProperty(device.budget, 'maxSubmitCost', { get: () => submit, set: () => {}, configurable: true });

describeOnDevice('programs and dispatches cut into several submits', () => {
  // Forty runs are more than one submit holds; a run has two dispatches, each of which costs a little over 1e6.
  test.each([Number.POSITIVE_INFINITY, 1, 3.5e6, 9e6])(
    'each of many runs that are encoded without a flush has its own parameters: %s',
    async (submit) => {
      using device = await openDevice();
      fix(device, submit);
      const [runs, batch, columns] = [40, 3, 5];
      const size = runs * batch;
      const values = Float32Array.from({ length: size * columns }, (_, i) => i);
      const order = Uint32Array.from({ length: size }, (_, i) => (i * 7 + 3) % size);
      const words = DeviceArray.empty(device, [size, columns], { dtype: 'u32' }).keep();
      const orders = DeviceArray.empty(device, [size], { dtype: 'u32' }).keep();
      const result = DeviceArray.empty(device, [size, columns]).keep();
      device.upload(words.storage, values);
      device.upload(orders.storage, order);
      const state = new StepState(device);
      const program = device.record(() => {
        const x = DeviceArray.empty(device, [batch, columns]);
        gatherSamples({ chunks: [{ words, first: 0, count: size }], stride: columns }, orders, state, x);
        storeBatch(x, state, result);
        x.dispose();
      });
      const before = device.counters.submits;
      for (let run = 0; run < runs; run++) {
        state.write({ batchStart: run * batch });
        program.encode();
      }
      const got = new Float32Array(await device.read(result.storage));
      const expected = Array.from(order, (row) => [...values.subarray(row * columns, (row + 1) * columns)]).flat();
      expect([...got]).toEqual(expected);
      const submits = device.counters.submits - before;
      if (submit === 1) expect(submits).toBe(2 * runs);
      else expect(submits).toBeLessThan(runs);
      program.dispose();
      state.dispose();
    },
  );

  test('a dispatch that is cut has the same parameters in all parts', async () => {
    using device = await openDevice();
    const size = 20_000 * 256; // a workgroup handles 256 elements
    const value = (i: number) => (i % 7) - 3;
    using x = tensor(
      device,
      Float32Array.from({ length: size }, (_, i) => value(i)),
      [size],
    );
    Object.defineProperty(device.budget, 'maxDispatchCost', { get: () => 1, set: () => {} });
    const before = device.counters.dispatches;
    using y = leakyRelu(x, { negativeSlope: 0.25 });
    expect(device.counters.dispatches).toBeGreaterThan(before + 256);
    const got = (await y.data()) as Float32Array;
    const wrong = got.filter((one, i) => one !== (value(i) > 0 ? value(i) : 0.25 * value(i))).length;
    expect(wrong).toBe(0);
  });

  test('a dispatch that is cut is timed as one dispatch', async () => {
    using device = await openDevice();
    const x = DeviceArray.empty(device, [4, 2 ** 20]).keep();
    const result = DeviceArray.empty(device, [4, 2 ** 20]).keep();
    const state = new StepState(device);
    const program = device.record(() => {
      for (let i = 0; i < 12; i++) storeBatch(x, state, result);
    });
    state.write({ batchStart: 0 });
    const options: TimingOptions = { seconds: 0.2 };
    const clocks: string[] = [];
    for (const submit of [Number.POSITIVE_INFINITY, 1]) {
      fix(device, submit);
      const { clock, reason, ms } = await timeProgram(device, program, options);
      clocks.push(`${clock}: ${reason}`);
      expect(ms).toHaveLength(12);
      for (const one of ms) expect(one).toBeGreaterThan(0);
    }
    expect(clocks[1]).toBe(clocks[0]);
    program.dispose();
    state.dispose();
  });
});
