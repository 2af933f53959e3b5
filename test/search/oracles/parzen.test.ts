import { expect, test } from 'vitest';
import { RandomStream } from '../../../src/base/random.ts';
import { defineChoice, defineFloat, defineInt } from '../../../src/search/define.ts';
import { kernelWeights, parzenKernels, pick } from '../../../src/search/oracles/parzen.ts';
import type { Hyperparameter, HyperparameterValue } from '../../../src/search/record.ts';
import { countOf, unitInterval, valueAt } from '../../../src/search/space.ts';

const unit = defineFloat('x', { min: 0, max: 1 }, []);
const log = { sampling: 'log' } as const;

/** Integral over [0, 1] by Simpson's rule. */
function integral(f: (u: number) => number, n = 2000): number {
  let sum = 0;
  for (let i = 0; i <= n; i++) sum += f(i / n) * (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2);
  return sum / (3 * n);
}

test('weights: 1 for the newest 25 and the prior, and a ramp from 1 / n for older ones, as in Optuna', () => {
  expect(kernelWeights(0)).toEqual([1]);
  expect(kernelWeights(25)).toEqual(new Array(26).fill(1));
  // numpy.linspace(1 / n, 1, n - 25) before the ones.
  expect(kernelWeights(26)).toEqual([1 / 26, ...new Array(26).fill(1)]);
  expect(kernelWeights(28).slice(0, 4)).toEqual([1 / 28, expect.closeTo((1 + 1 / 28) / 2, 15), 1, 1]);
  expect(kernelWeights(28).length).toBe(29);
});

test('numbers: normal densities with the width of the farther neighbor, truncated and normalized', () => {
  const centers = [0.3, 0.9, 0.25, 0.2]; // sorted: 0.2, 0.25, 0.3, 0.9
  const widths = [0.6, 0.6, 1 / 6, 1 / 6, 1]; // at least 1 / (4 + 2), which is more than 0.05; the last is the prior
  const kernels = parzenKernels(unit, centers);
  [...centers, 0.5].forEach((center, i) => {
    const bell = (u: number) => Math.exp(-0.5 * ((u - center) / widths[i]!) ** 2);
    const scale = integral(bell);
    for (const u of [0, 0.1, 0.25, 0.6, 1]) {
      expect(kernels.densities(u)[i]).toBeCloseTo(bell(u) / scale, 9);
    }
  });
});

test('a single observation has the width of its distance to the farther end; no observation leaves the prior', () => {
  const bell = (u: number) => Math.exp(-0.5 * ((u - 0.3) / 0.7) ** 2);
  expect(parzenKernels(unit, [0.3]).densities(0.9)[0]).toBeCloseTo(bell(0.9) / integral(bell), 9);
  const prior = (u: number) => Math.exp(-0.5 * (u - 0.5) ** 2);
  expect(parzenKernels(unit, []).densities(0.9)).toEqual([expect.closeTo(prior(0.9) / integral(prior), 9)]);
});

test('many equal observations: the width is at least a hundredth', () => {
  const densities = parzenKernels(unit, new Array(300).fill(0.5)).densities(0.5);
  expect(densities[0]).toBeCloseTo(100 / Math.sqrt(2 * Math.PI), 6);
});

test('choices: 1 for the value seen and 1 / (n + 1) for each', () => {
  const h = defineChoice('x', ['a', 'b', 'c'], {}, []);
  // Two observations: (1 + 1/3) / (1 + 3/3) for the one seen and 1/3 / 2 for others, times 3 choices.
  const [seen, other] = [2, 1 / 2];
  const kernels = parzenKernels(h, ['b', 'c']);
  for (const [value, densities] of [
    ['a', [other, other, 1]],
    ['b', [seen, other, 1]],
    ['c', [other, seen, 1]],
  ] as const) {
    // biome-ignore format: as rows
    expect(kernels.densities(value)).toEqual(densities.map((density) => expect.closeTo(density, 14)));
  }
});

test.each<[string, Hyperparameter, HyperparameterValue[]]>([
  ['int', defineInt('x', { min: 1, max: 9 }, []), [2, 3, 9]],
  ['int with a step', defineInt('x', { min: 1, max: 33, step: 4 }, []), [1, 33, 5]],
  ['int, log', defineInt('x', { min: 1, max: 20, sampling: 'log' }, []), [1, 20, 4]],
  ['float with a step', defineFloat('x', { min: 0, max: 0.6, step: 0.1 }, []), [0.2, 0.2, 0.3]],
  ['float by factors', defineFloat('x', { min: 0.001, max: 10, step: 10, ...log }, []), [0.001, 1]],
  ['ordered choice', defineChoice('x', [3, 5, 7], {}, []), [5, 7]],
  ['choice', defineChoice('x', ['a', 'b', 'c'], {}, []), ['a', 'a']],
  ['boolean', { kind: 'boolean', name: 'x', conditions: [], default: false }, [true]],
  ['fixed', { kind: 'fixed', name: 'x', conditions: [], value: 3 }, [3, 3]],
])('%s: the probabilities of all values add up to 1, and samples follow them', (_, h, observed) => {
  const kernels = parzenKernels(h, observed);
  const values = Array.from({ length: countOf(h) }, (_value, index) => valueAt(h, index));
  const width = (value: HyperparameterValue) => unitInterval(h, value)[1] - unitInterval(h, value)[0];
  const random = new RandomStream(5, 'search', 0);
  const draws = 4000;
  for (let kernel = 0; kernel <= observed.length; kernel++) {
    const chances = values.map((value) => kernels.densities(value)[kernel]! * width(value));
    expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 12);
    const counts = new Map<unknown, number>();
    for (let i = 0; i < draws; i++) {
      const value = kernels.sample(kernel, random);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    values.forEach((value, i) => {
      const deviation = Math.sqrt(draws * chances[i]! * (1 - chances[i]!));
      expect(Math.abs((counts.get(value) ?? 0) - draws * chances[i]!)).toBeLessThanOrEqual(4.5 * deviation + 1);
    });
  }
});

test('floats: samples follow the density', () => {
  const h = defineFloat('x', { min: 1e-4, max: 1, sampling: 'log' }, []);
  const kernels = parzenKernels(h, [1e-4, 1e-3]);
  const random = new RandomStream(6, 'search', 0);
  for (let kernel = 0; kernel < 3; kernel++) {
    const densityAt = (u: number) => kernels.densities(1e-4 ** (1 - u))[kernel]!;
    expect(integral(densityAt)).toBeCloseTo(1, 9);
    const mean = integral((u) => u * densityAt(u));
    const variance = integral((u) => (u - mean) ** 2 * densityAt(u));
    const draws = Array.from({ length: 4000 }, () => 1 + Math.log10(kernels.sample(kernel, random) as number) / 4);
    const average = draws.reduce((sum, u) => sum + u, 0) / draws.length;
    expect(Math.abs(average - mean)).toBeLessThan(4 * Math.sqrt(variance / draws.length));
  }
});

test('pick: follows the weights, and never picks one of weight 0', () => {
  const random = new RandomStream(7, 'search', 0);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 8000; i++) counts[pick([0, 3, 0, 1], random)]! += 1;
  expect([counts[0], counts[2]]).toEqual([0, 0]);
  expect(Math.abs(counts[1]! - 6000)).toBeLessThan(4 * Math.sqrt(8000 * 0.75 * 0.25));
});
