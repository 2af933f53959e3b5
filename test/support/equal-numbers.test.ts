import { expect, test } from 'vitest';
import { equalNumbers } from './equal-numbers.ts';

test('arrays of the same numbers are equal, whatever else is left to vitest', () => {
  expect(equalNumbers(Float32Array.of(1, Number.NaN, -0), Float32Array.of(1, Number.NaN, -0))).toBe(true);
  expect(equalNumbers([1, 2], [1, 2])).toBe(true);
  const different: [unknown, unknown][] = [
    [Float32Array.of(0), Float32Array.of(-0)],
    [Float32Array.of(1), Float32Array.of(Number.NaN)],
    [Float32Array.of(1), Float32Array.of(1, 2)],
    [Float32Array.of(1), Float64Array.of(1)],
    [Float32Array.of(1), [1]],
    [[1], [2]],
    [new Array(1), [0]],
  ];
  for (const [a, b] of different) {
    expect(equalNumbers(a, b)).toBe(undefined);
    expect(a).not.toStrictEqual(b);
    expect({ data: a }).not.toStrictEqual({ data: b });
  }
  for (const [a, b] of [
    [['a'], ['a']],
    [[[1]], [[1]]],
    [1, 1],
    [new DataView(new ArrayBuffer(1)), new DataView(new ArrayBuffer(1))],
    [null, null],
  ]) {
    expect(equalNumbers(a, b)).toBe(undefined);
  }
});
