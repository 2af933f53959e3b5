import { expect, test } from 'vitest';
import { amount, formatDigits, milliseconds } from '../../web/src/page/numbers.ts';

test('numbers have a limited number of digits, and no exponent if they are large', () => {
  expect([0.00123, 1.26, 9.96, 12.34, 123.4].map((value) => formatDigits(value, 2))).toEqual([
    ...['0.0012', '1.3', '10', '12', '123'],
  ]);
  expect([0.01234, 1, 99.96, 123.4, 12_345].map(milliseconds)).toEqual([
    ...['0.0123 ms', '1.00 ms', '100 ms', '123 ms', '12345 ms'],
  ]);
  expect([0, 16, 999, 1000, 7_526_400, 999_999_600, 2e15].map(amount)).toEqual([
    ...['0 ', '16 ', '999 ', '1.00 k', '7.53 M', '1000 M', '2000 T'],
  ]);
});
