import { describe, expect, test } from 'vitest';
import { cutGrid, gridPartSource } from '../../src/gpu/cut-grid.ts';
import { Storage } from '../../src/gpu/storage.ts';
import { costOf, SubmitBudget } from '../../src/gpu/submit-budget.ts';
import { ArgumentError } from '../../src/node.ts';

const storage = (bytes: number, buffer = {} as GPUBuffer) => new Storage(buffer, 0, bytes, null);

/** GFLOP/s converted to cost per millisecond. */
const gflops = (n: number) => 1e6 * n;

describe('cost of a dispatch', () => {
  test('costOf: operations, and the bytes of each bound array once', () => {
    const [x, y] = [storage(1000), storage(3000)];
    const none = costOf([]);
    expect(costOf([], { flops: 5e9 }) - none).toBe(5e9);
    expect(costOf([x, y, {}]) - none).toBe(8 * 4000);
    expect(costOf([x, y, x, storage(1000, x.buffer)])).toBe(costOf([x, y]));
    expect(costOf([x, y], { flops: 7 })).toBe(costOf([x, y]) + 7);
  });

  test('costOf: the bytes that the caller states', () => {
    expect(costOf([storage(1e9)], { bytes: 100 })).toBe(costOf([]) + 800);
    expect(costOf([storage(1e9)], { bytes: 0 })).toBe(costOf([]));
  });
});

describe('cost of a submit', () => {
  test('SubmitBudget: before any measurement, allows 50 ms of a slow GPU for a submit and 250 ms for a dispatch', () => {
    expect(new SubmitBudget()).toMatchObject({ maxSubmitCost: 2e9, maxDispatchCost: 8e9 });
  });

  test.each([10, 100, 5000])(
    'SubmitBudget: at %i GFLOP/s, allows 50 ms for a submit and 250 ms for a dispatch',
    (rate) => {
      const budget = new SubmitBudget();
      budget.addMeasurement(200 * gflops(rate), 200);
      expect(budget.maxSubmitCost).toBeCloseTo(50 * gflops(rate));
      expect(budget.maxDispatchCost).toBeCloseTo(250 * gflops(rate));
    },
  );

  test.each([
    { seen: [20, 100, 100], is: 100, what: 'a first measurement with compilation in it' },
    { seen: [100, 100, 30, 12, 50], is: 100, what: 'a machine that has other things to do' },
    { seen: [100, 100, 5000, 100, 100], is: 100, what: 'one that was too good to be true' },
    { seen: [500, 500, 500, 100, 100, 100, 100], is: 100, what: 'an adapter that became slower' },
    { seen: [100, 100, 100, 500, 500], is: 500, what: 'an adapter that became faster' },
    { seen: [0.01, 0.01], is: 5, what: 'a machine that stood still' },
  ])('SubmitBudget: assumes $is GFLOP/s after $what', ({ seen, is }) => {
    const budget = new SubmitBudget();
    for (const rate of seen) budget.addMeasurement(200 * gflops(rate), 200);
    expect(budget.maxSubmitCost).toBeCloseTo(50 * gflops(is));
  });

  test('SubmitBudget: ignores short measurements', () => {
    const budget = new SubmitBudget();
    budget.addMeasurement(gflops(100), 1);
    budget.addMeasurement(0, 100);
    budget.addMeasurement(gflops(100), 0);
    expect(budget).toMatchObject({ maxSubmitCost: 2e9, maxDispatchCost: 8e9 });
  });

  test.each([
    [Number.NaN, 1, 'noteRate: cost must be a number from 0 up, but is NaN'],
    [1, -1, 'noteRate: milliseconds must be a number from 0 up, but is -1'],
    ['9', 1, 'noteRate: cost must be a number from 0 up, but is "9"'],
    [Number.POSITIVE_INFINITY, 1, 'noteRate: cost must be a number from 0 up, but is Infinity'],
    [1, undefined, 'noteRate: milliseconds must be a number from 0 up, but is undefined'],
  ])('SubmitBudget: throws for %j in %j ms', (cost, ms, says) => {
    const budget = new SubmitBudget();
    const note = () => budget.addMeasurement(cost as number, ms as number);
    expect(note).toThrow(ArgumentError);
    expect(note).toThrow(says);
  });
});

describe('cutting a grid into parts', () => {
  const cases = [1, 2, 3, 7, 100, 1e6].flatMap((pieces) =>
    [
      [1, 1, 1],
      [7, 1, 1],
      [2, 5, 3],
      [1, 64, 2],
      [40, 1, 30],
    ].map((grid) => ({ grid: grid as [number, number, number], pieces })),
  );
  test.each(cases)('cutGrid: $grid in $pieces parts has each workgroup once', ({ grid, pieces }) => {
    const parts = cutGrid(grid, pieces);
    const seen = parts.flatMap(({ first, count }) =>
      Array.from({ length: count[2] }, (_, z) =>
        Array.from({ length: count[1] }, (_, y) =>
          Array.from({ length: count[0] }, (_, x) => `${first[0] + x} ${first[1] + y} ${first[2] + z}`),
        ),
      ).flat(2),
    );
    const all = grid[0] * grid[1] * grid[2];
    expect(new Set(seen).size).toBe(all);
    expect(seen.length).toBe(all);
    for (const { first, count } of parts)
      for (const axis of [0, 1, 2]) expect(first[axis]! + count[axis]!).toBeLessThanOrEqual(grid[axis]!);
    const largest = Math.max(...parts.map(({ count: [x, y, z] }) => x * y * z));
    // No part is much larger than the mean: an axis of 7 in 3 parts has at most 3.
    expect(largest).toBeLessThanOrEqual(Math.max(1, (2 * all) / pieces));
    if (pieces >= all) expect(parts.length).toBe(all);
  });

  test('gridPartSource: keeps the lines of the source; null for kernels that do not use workgroup_id', () => {
    const code = [
      '@compute @workgroup_size(64)',
      'fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {',
      '  y[group.x] = groups.x;',
      '}',
    ].join('\n');
    const part = gridPartSource({ name: 'k', code, constants: { A: 1 } }, 3)!;
    expect(part).toMatchObject({ name: 'k', constants: { A: 1 } });
    const lines = part.code.split('\n');
    expect(lines[1]).toBe(
      'fn main(@builtin(workgroup_id) group_in_part: vec3u, @builtin(num_workgroups) groups_in_part: vec3u) { ' +
        'let group = group_in_part + grid_part.first; let groups = grid_part.whole;',
    );
    expect(lines.slice(2, 4)).toEqual(code.split('\n').slice(2));
    expect(part.code).toContain('@binding(3) var<uniform> grid_part');
    expect(gridPartSource({ name: 'k', code: 'fn main(@builtin(global_invocation_id) id: vec3u) {}' }, 1)).toBeNull();
    expect(gridPartSource({ name: 'k', code: 'fn main() {}' }, 1)).toBeNull();
  });
});
