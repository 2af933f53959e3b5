import { expect, test } from 'vitest';
import { add, exp, relu, tensor } from '../../src/index.ts';
import { describeOnDevice } from '../support/device.ts';

const COPY_FIRST = `
@group(0) @binding(0) var<storage, read> from_array: array<u32>;
@group(0) @binding(1) var<storage, read_write> to_array: array<u32>;
@compute @workgroup_size(1) fn main() { to_array[0] = from_array[0] + arrayLength(&from_array); }`;

describeOnDevice('bind groups of dispatches that are not recorded', (device) => {
  const bindGroupsCreated = (body: () => void) => {
    const before = device.counters.bindGroupsCreated;
    body();
    return device.counters.bindGroupsCreated - before;
  };

  test('bind groups: the same kernel and buffers share one, which reads their current contents', async () => {
    using x = tensor(device, [1, -2], [2]);
    relu(x).dispose();
    expect(bindGroupsCreated(() => relu(x).dispose())).toBe(0);
    x.assign([-3, 4]);
    using y = relu(x);
    expect([...(await y.data())]).toEqual([0, 4]);
  });

  test('bind groups: another kernel, buffer or range has another one', () => {
    const x = tensor(device, [1, 2], [2]);
    const y = tensor(device, [3, 4], [2]);
    const first = bindGroupsCreated(() => exp(x).dispose());
    expect(first).toBeGreaterThan(0);
    expect(bindGroupsCreated(() => exp(x).dispose())).toBe(0);
    expect(bindGroupsCreated(() => exp(y).dispose())).toBe(first);
    expect(bindGroupsCreated(() => add(x, y).dispose())).toBeGreaterThan(0);
    expect(bindGroupsCreated(() => add(y, x).dispose())).toBeGreaterThan(0);
    for (const one of [x, y]) one.dispose();
  });

  test('bind groups: ranges of one buffer differ by offset and length', async () => {
    using x = tensor(
      device,
      Uint32Array.from({ length: 256 }, (_, i) => i),
      [256],
      { dtype: 'u32' },
    );
    using y = tensor(device, [0], [1], { dtype: 'u32' });
    const pipeline = device.pipeline({ name: 'copy first', code: COPY_FIRST });
    // 16 words from the first, 32 from the first, 16 from word 64 on
    for (const [offset, words, value] of [
      [0, 16, 0 + 16],
      [0, 32, 0 + 32],
      [256, 16, 64 + 16],
      [0, 16, 0 + 16],
    ] as const) {
      device.dispatch(pipeline, [x.array.storage.view(offset, 4 * words), y.array.storage], [1, 1, 1]);
      expect([...(await y.data())]).toEqual([value]);
    }
  });

  test('bind groups: trim releases all; a recording creates its own', () => {
    using x = tensor(device, [1, 2], [2]);
    exp(x).dispose();
    device.trim();
    expect(bindGroupsCreated(() => exp(x).dispose())).toBeGreaterThan(0);
    expect(bindGroupsCreated(() => exp(x).dispose())).toBe(0);
    expect(bindGroupsCreated(() => device.record(() => exp(x).dispose()).dispose())).toBeGreaterThan(0);
  });

  test('bind groups: the last 4,096 used are cached', () => {
    const x = tensor(device, [1, 2], [2]);
    const others = Array.from({ length: 4200 }, (_, i) => tensor(device, [i], [1]));
    exp(x).dispose(); // all results lie in this one's buffer
    for (const [i, other] of others.entries()) {
      exp(other).dispose();
      if (i === 2000) expect(bindGroupsCreated(() => exp(x).dispose())).toBe(0);
    }
    expect(bindGroupsCreated(() => exp(others[4199]!).dispose())).toBe(0);
    expect(bindGroupsCreated(() => exp(x).dispose())).toBe(0);
    expect(bindGroupsCreated(() => exp(others[0]!).dispose())).toBe(1);
    for (const one of [x, ...others]) one.dispose();
  });
});
