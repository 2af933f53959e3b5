import { expect, test } from 'vitest';
import { expectClose, expectSameBits } from './compare.ts';

const inf = Number.POSITIVE_INFINITY;

test.each<[string, number[], number[]]>([
  ['equal', [1, -2, 0], [1, -2, 0]],
  ['close', [1.000001], [1]],
  ['small beside large', [1000, 1.000005e-3], [1000, 1e-3]],
  ['NaN with NaN', [Number.NaN, 1], [Number.NaN, 1]],
  ['infinity of one sign', [inf, -inf], [inf, -inf]],
  ['-0 with 0', [-0], [0]],
  ['a flushed denormal', [0], [1e-39]],
  ['nothing', [], []],
])('expectClose accepts %s', (_what, actual, expected) => {
  expectClose(actual, expected);
});

test.each<[string, number[], number[]]>([
  ['an error of 1e-4', [1.0001], [1]],
  ['NaN for a number', [Number.NaN], [1]],
  ['a number for NaN', [1], [Number.NaN]],
  ['infinity for a number', [inf], [1e38]],
  ['a number for infinity', [1e38], [inf]],
  ['the other infinity', [-inf], [inf]],
  ['NaN for infinity', [Number.NaN], [inf]],
  ['something for zero', [1e-6], [0]],
  ['too few elements', [1], [1, 1]],
  ['an error in a small element beside a large one', [1000, 0.03], [1000, 0.01]],
])('expectClose rejects %s', (_what, actual, expected) => {
  expect(() => expectClose(actual, expected)).toThrow();
});

test('expectClose compares with the magnitude of the terms if it is given, and names the worst element', () => {
  expectClose([0, 1e-6], [0, 0], { magnitude: [1, 1] });
  expect(() => expectClose([0, 1e-3, 1e-4], [0, 0, 0], { magnitude: [1, 1, 1] })).toThrow(/element 1: got 0.001/);
});

test('expectSameBits: distinguishes -0 from 0, and numbers that differ in one bit', () => {
  expectSameBits([Number.NaN, -0], [Number.NaN, -0]);
  expect(() => expectSameBits([-0], [0])).toThrow(/element 0/);
  expect(() => expectSameBits([1], [1 + Number.EPSILON])).toThrow(/element 0/);
});
