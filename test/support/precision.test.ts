import { expect, test } from 'vitest';
import { bounded, expectExactly, operatorTolerance, ulp, WGSL } from './precision.ts';

const [software, card] = [true, false].map((isSoftware) => ({ info: { isSoftware } }) as Parameters<typeof bounded>[0]);

test('ulp: is the distance of f32 numbers to the next', () => {
  const next = (x: number) =>
    new Float32Array(Uint32Array.of(new Uint32Array(Float32Array.of(x).buffer)[0]! + 1).buffer)[0]!;
  for (const x of [1, 1.5, 2, 3e-30, 0.1, 4000].map(Math.fround)) expect(ulp(x)).toBe(next(x) - x);
});

test('WGSL bounds: log is 2^-21 near 1, and pow has the resulting error', () => {
  expect(WGSL.log(1.5)).toBe(2 ** -21);
  expect(WGSL.log(100)).toBe(3 * 2 ** -21);
  expect(WGSL.exp(10)).toBe(23 * ulp(Math.exp(10)));
  expect(WGSL.pow(4000, 3) / 4000 ** 3).toBeGreaterThan(1e-6);
});

test('tolerances are strict on software adapters, and not stricter on GPUs', () => {
  expect([bounded(software!, 1, 2), bounded(card!, 1, 2), bounded(card!, 3, 2)]).toEqual([1, 2, 3]);
  expect(operatorTolerance(software!, 2e-6, 'tanh')).toBe(2e-6);
  expect(operatorTolerance(card!, 2e-6, 'linear', { activation: 'tanh' })).toBe(1.1e-4);
  expect(operatorTolerance(card!, 2e-6, 'add')).toBe(2e-6);
});

test("exact values are exact on software adapters, and within WGSL's bounds on GPUs", () => {
  expectExactly(software!, [0, Number.NaN], [-0, Number.NaN]);
  expect(() => expectExactly(software!, [1 + 1e-7], [1])).toThrow();
  expectExactly(card!, [1 + 1e-6, Number.POSITIVE_INFINITY], [1, Number.POSITIVE_INFINITY]);
  expect(() => expectExactly(card!, [1.001], [1])).toThrow();
  expect(() => expectExactly(card!, [1], [Number.NaN])).toThrow();
  expect(() => expectExactly(card!, [3e38], [Number.POSITIVE_INFINITY])).toThrow();
});
