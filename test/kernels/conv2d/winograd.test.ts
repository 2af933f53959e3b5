import { expect, test } from 'vitest';
import { MAX_POINTS, winograd } from '../../../src/kernels/conv2d/winograd.ts';
import { random } from '../../support/random.ts';

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

for (let taps = 2; taps <= 7; taps++) {
  for (let outputs = 1; outputs + taps - 1 <= MAX_POINTS; outputs++) {
    if ((outputs + taps) % 2 === 0) continue; // an odd number of points
    test(`matrices of F(${outputs}, ${taps}) compute the correlation`, () => {
      const { input, filter, output, points } = winograd(outputs, taps);
      expect([input.length, filter.length, output.length]).toEqual([points, points, outputs]);
      const values = random(10 * outputs + taps);
      for (let round = 0; round < 20; round++) {
        const d = Array.from({ length: points }, () => values.normal());
        const w = Array.from({ length: taps }, () => values.normal());
        const products = filter.map((row, i) => dot(row, w) * dot(input[i]!, d));
        for (const [t, row] of output.entries()) expect(dot(row, products)).toBeCloseTo(dot(w, d.slice(t)), 11);
      }
    });
  }
}
