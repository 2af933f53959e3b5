import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defineChoice, defineFloat, defineInt } from '../../src/search/define.ts';
import type { Hyperparameter } from '../../src/search/record.ts';
import {
  checkValue,
  countOf,
  hasSameValues,
  indexOf,
  spaceSize,
  unitInterval,
  unitToValue,
  valueAt,
  valuesOf,
  valueToUnit,
} from '../../src/search/space.ts';

const int = (min: number, max: number, rest = {}) => defineInt('x', { min, max, ...rest }, []);
const float = (min: number, max: number, rest = {}) => defineFloat('x', { min, max, ...rest }, []);
const choice = (...values: string[]) => defineChoice('x', values, {}, []);
const boolean: Hyperparameter = { kind: 'boolean', name: 'x', conditions: [], default: false };
const fixed: Hyperparameter = { kind: 'fixed', name: 'x', conditions: [], value: 'a' };
const log = { sampling: 'log' } as const;

/** Of each kind with finitely many values, one. */
const discrete: [string, Hyperparameter, unknown[]][] = [
  ['int', int(6, 12), [6, 7, 8, 9, 10, 11, 12]],
  ['int of one value', int(3, 3), [3]],
  ['int with a step that misses max', int(6, 13, { step: 3 }), [6, 9, 12]],
  ['int with a step above the range', int(6, 13, { step: 30 }), [6]],
  ['int by factors', int(2, 32, { step: 2, ...log }), [2, 4, 8, 16, 32]],
  ['int by factors that miss max', int(3, 80, { step: 5, ...log }), [3, 15, 75]],
  ['float with a step', float(0, 1, { step: 0.2 }), [0, 0.2, 0.4, 0.6, 0.8, 1]],
  ['float whose sums are not clean', float(0.1, 0.7, { step: 0.2 }), [0.1, 0.3, 0.5, 0.7]],
  ['float through 0', float(-0.3, 0.3, { step: 0.1 }), [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]],
  ['float by factors', float(0.001, 10, { step: 10, ...log }), [0.001, 0.01, 0.1, 1, 10]],
  ['float by a fractional factor', float(0.1, 0.4, { step: 1.5, ...log }), [0.1, 0.15, 0.225, 0.3375]],
  ['tiny floats', float(1e-7, 5e-7, { step: 2e-7 }), [1e-7, 3e-7, 5e-7]],
  ['float of one value', float(0.3, 0.3), [0.3]],
  ['choice', choice('relu', 'tanh', 'elu'), ['relu', 'tanh', 'elu']],
  ['boolean', boolean, [false, true]],
  ['fixed', fixed, ['a']],
];

describe.each(discrete)('%s', (_, h, values) => {
  test('has these values, in increasing order, each at its index', () => {
    expect(valuesOf(h)).toEqual(values);
    expect(countOf(h)).toBe(values.length);
    expect(values.map((value) => indexOf(h, value as never))).toEqual(values.map((_value, index) => index));
  });

  test('each value has an equal part of the unit interval', () => {
    const n = values.length;
    values.forEach((value, i) => {
      expect(unitToValue(h, i / n + 1e-12)).toBe(value);
      expect(unitToValue(h, (i + 1) / n - 1e-12)).toBe(value);
      expect(valueToUnit(h, value as never)).toBeCloseTo((i + 0.5) / n, 14);
      expect(unitToValue(h, valueToUnit(h, value as never))).toBe(value);
    });
    expect(unitToValue(h, 0)).toBe(values[0]);
    expect(unitToValue(h, 1 - 2 ** -53)).toBe(values[n - 1]);
  });
});

test('decimal values are the nearest doubles, for any number of steps', () => {
  const decimals = fc.record({
    places: fc.integer({ min: 0, max: 9 }),
    min: fc.integer({ min: -100_000, max: 100_000 }),
    step: fc.integer({ min: 1, max: 10_000 }),
    index: fc.integer({ min: 0, max: 1000 }),
  });
  fc.assert(
    fc.property(decimals, ({ places, min, step, index }) => {
      const decimal = (units: number) => Number(`${units}e-${places}`);
      const h = float(decimal(min), decimal(min + 1000 * step), { step: decimal(step) });
      expect(countOf(h)).toBe(1001);
      expect(valueAt(h, index)).toBe(decimal(min + index * step));
      expect(indexOf(h, decimal(min + index * step))).toBe(index);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('a step with many digits: unrounded sums, below max', () => {
  const h = float(1 / 3, 2 / 3, { step: 1 / 9 });
  expect(countOf(h)).toBe(4);
  expect(valueAt(h, 1)).toBe(1 / 3 + 1 / 9);
  expect(valueAt(h, 3)).toBeLessThanOrEqual(2 / 3);
  expect(valueAt(h, 3)).toBeCloseTo(2 / 3, 12);
});

test('a float without a step: min + u (max - min), or min (max / min)^u for log', () => {
  const linear = float(-2, 6);
  const [points, values] = [[0, 0.25, 0.5, 0.75], [-2, 0, 2, 4]]; // biome-ignore format: as rows
  expect(points.map((u) => unitToValue(linear, u))).toEqual(values);
  expect(values.map((value) => valueToUnit(linear, value))).toEqual(points);
  const logarithmic = float(1e-4, 1, log);
  for (const [u, value] of [
    [0, 1e-4],
    [0.25, 1e-3],
    [0.5, 1e-2],
    [0.75, 1e-1],
  ] as const) {
    // biome-ignore format: as rows
    expect(unitToValue(logarithmic, u)).toBeCloseTo(value, 15);
    expect(valueToUnit(logarithmic, value)).toBeCloseTo(u, 15);
  }
  expect([countOf(linear), countOf(logarithmic)]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  expect(Object.is(unitToValue(float(-1, 0), 1 - 2 ** -54), -0)).toBe(false);
});

test('for any u drawn, a value is within its range and valid', () => {
  const range = fc
    .tuple(fc.double({ noNaN: true }), fc.double({ noNaN: true }))
    .map((pair) => pair.sort((a, b) => a - b));
  fc.assert(
    fc.property(
      range,
      fc.boolean(),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      ([min = 0, max = 0], isLog, u) => {
        fc.pre(Number.isFinite(isLog ? max / min : max - min) && !(isLog && min <= 0));
        const h = float(min, max, isLog ? log : {});
        const value = unitToValue(h, u) as number;
        expect(value >= min && value <= max).toBe(true);
        expect(checkValue('test', h, value)).toBe(value);
      },
    ),
    { seed: 2, numRuns: 1000 },
  );
});

test('an int with log sampling and no step: v has the probability log((v + 1) / v) / log((max + 1) / min)', () => {
  const h = int(1, 7, log); // 8 = 2^3: 1 has a third, 2 and 3 together, and 4 to 7 together
  expect([0, 0.33, 0.34, 0.66, 0.67, 0.99].map((u) => unitToValue(h, u))).toEqual([1, 1, 2, 3, 4, 7]);
  const chances = [1, 2, 3, 4, 5, 6, 7].map((v) => Math.log2((v + 1) / v) / 3);
  let low = 0;
  chances.forEach((chance, i) => {
    const interval = unitInterval(h, i + 1);
    expect(interval[0]).toBeCloseTo(low, 14);
    expect(interval[1]).toBeCloseTo(low + chance, 14);
    low += chance;
    expect(valueToUnit(h, i + 1)).toBeCloseTo(Math.log2(i + 1.5) / 3, 14); // as KerasTuner: the middle of v and v + 1
    expect(unitToValue(h, valueToUnit(h, i + 1))).toBe(i + 1);
  });
  expect([countOf(h), valueAt(h, 3), indexOf(h, 4), indexOf(h, 8)]).toEqual([7, 4, 3, -1]);
});

describe('grids', () => {
  test('a float without a step has ten values, at 0.05, 0.15, ... of its distribution', () => {
    const ten = Array.from({ length: 10 }, (_, i) => i * 0.1 + 0.05);
    const linear = valuesOf(float(2, 4)) as number[];
    linear.forEach((value, i) => void expect(value).toBeCloseTo(2 + 2 * ten[i]!, 12));
    const logarithmic = valuesOf(float(1e-4, 1, log)) as number[];
    logarithmic.forEach((value, i) => void expect(Math.log10(value)).toBeCloseTo(4 * ten[i]! - 4, 12));
    expect([linear.length, logarithmic.length]).toEqual([10, 10]);
  });

  test('an int with log sampling and no step has the distinct values among ten', () => {
    expect(valuesOf(int(1, 1023, log))).toEqual([1, 2, 5, 11, 22, 45, 90, 181, 362, 724]); // floor(2^(0.5 + i))
    expect(valuesOf(int(1, 3, log))).toEqual([1, 2, 3]);
  });
});

describe('spaceSize', () => {
  const under = (h: Hyperparameter, name: string, conditions: Hyperparameter['conditions']) => ({
    ...h,
    name,
    conditions,
  });
  const when = (name: string, ...values: (string | number | boolean)[]) => ({ name, values });

  test('is the product without conditions; Infinity with a float without a step; 1 for an empty space', () => {
    const space = [under(int(1, 5), 'a', []), under(boolean, 'b', []), under(fixed, 'c', [])];
    expect(spaceSize(space)).toBe(10);
    expect(spaceSize([...space, under(float(0, 1), 'd', [])])).toBe(Number.POSITIVE_INFINITY);
    expect(spaceSize([])).toBe(1);
  });

  test('counts conditional hyperparameters only where the condition holds', () => {
    const kind = under(choice('mlp', 'cnn', 'linear'), 'kind', []);
    const space = [
      kind,
      under(int(1, 4), 'units', [when('kind', 'mlp')]),
      under(boolean, 'pool', [when('kind', 'cnn')]),
      under(int(1, 7), 'size', [when('kind', 'cnn'), when('pool', true)]),
      under(int(0, 1), 'other', []),
    ];
    expect(spaceSize(space)).toBe((4 + (1 + 7) + 1) * 2);
  });

  test('does not enumerate a large parent', () => {
    const space = [under(int(1, 2 ** 40), 'n', []), under(int(1, 5), 'm', [when('n', 1, 2)])];
    expect(spaceSize(space)).toBe(2 ** 40 - 2 + 2 * 5);
  });
});

test('hasSameValues: compares name, kind and values, not default, conditions or the order of keys', () => {
  const same = { ...int(1, 5), default: 3, conditions: [{ name: 'a', values: [1] }] } as Hyperparameter;
  const reversed = Object.fromEntries(Object.entries(same).reverse()) as Hyperparameter;
  expect(hasSameValues(int(1, 5), same) && hasSameValues(reversed, same)).toBe(true);
  const others = [int(1, 6), int(1, 5, { step: 2 }), int(1, 5, log), float(1, 5), { ...int(1, 5), name: 'y' }];
  expect(others.filter((other) => hasSameValues(int(1, 5), other))).toEqual([]);
});
