import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DATA_SETS } from '../../web/src/playground/data.ts';
import {
  ACTIVATIONS,
  addressOf,
  checkSetting,
  DEFAULTS,
  OPTIMIZERS,
  PENALTIES,
  readAddress,
  type Settings,
} from '../../web/src/playground/settings.ts';

test('an empty address gives the defaults, and the defaults give an empty address', () => {
  expect(readAddress('')).toEqual({ settings: DEFAULTS, problems: [] });
  expect(addressOf(DEFAULTS)).toBe('');
});

test('an address has only what differs from the defaults, without escaped characters', () => {
  const settings: Settings = {
    ...DEFAULTS,
    ...{ data: 'moons', noise: 12, layers: [8, 3], rate: 0.005, penalty: 'l2', seed: 7, replicas: 5 },
    points: [
      { x: -0.5, y: 1.25, label: 1 },
      { x: 2, y: -2, label: 0 },
    ],
  };
  const address = addressOf(settings);
  expect(address).toBe(
    'data=moons&noise=12&points=-50.125.1_200.-200.0&layers=8-3&rate=0.005&penalty=l2&seed=7&replicas=5',
  );
  expect(readAddress(`?${address}`)).toEqual({ settings, problems: [] });
  expect(addressOf({ ...DEFAULTS, layers: [] })).toBe('layers=0');
  expect(readAddress('layers=')).toEqual({ settings: { ...DEFAULTS, layers: [] }, problems: [] });
});

test('every possible state is restored from its address', () => {
  const coordinate = fc.integer({ min: -200, max: 200 }).map((hundredths) => hundredths / 100 + 0); // no -0
  const states: fc.Arbitrary<Settings> = fc.record({
    data: fc.constantFrom(...DATA_SETS),
    noise: fc.integer({ min: 0, max: 50 }),
    share: fc.integer({ min: 10, max: 90 }),
    dataSeed: fc.integer({ min: 0, max: 999999 }),
    points: fc.array(fc.record({ x: coordinate, y: coordinate, label: fc.constantFrom(0, 1) }), { maxLength: 20 }),
    layers: fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 5 }),
    activation: fc.constantFrom(...ACTIVATIONS),
    optimizer: fc.constantFrom(...OPTIMIZERS),
    rate: fc.double({ min: 0.00001, max: 10, noNaN: true }),
    batch: fc.integer({ min: 1, max: 400 }),
    penalty: fc.constantFrom(...PENALTIES),
    strength: fc.double({ min: 0, max: 1, noNaN: true }).map((rate) => rate + 0),
    seed: fc.integer({ min: 0, max: 999999 }),
    replicas: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(states, (settings) => {
      expect(readAddress(addressOf(settings))).toEqual({ settings, problems: [] });
    }),
    { seed: 1, numRuns: 200 },
  );
});

test.each([
  ['data=spiral', 'data', 'must be one of circles, xor, spirals, moons, gaussians, own, but is "spiral"'],
  ['noise=51', 'noise', 'must be a whole number from 0 to 50, but is "51"'],
  ['noise=1.5', 'noise', 'must be a whole number from 0 to 50, but is "1.5"'],
  ['noise=', 'noise', 'must be a whole number from 0 to 50, but is ""'],
  ['share=100', 'share', 'must be a whole number from 10 to 90, but is "100"'],
  ['layers=9', 'layers', 'must be up to 5 layers of 1 to 8 units, as in 8-4, but is "9"'],
  ['layers=1-1-1-1-1-1', 'layers', 'must be up to 5 layers of 1 to 8 units, as in 8-4, but is "1-1-1-1-1-1"'],
  ['layers=4--4', 'layers', 'must be up to 5 layers of 1 to 8 units, as in 8-4, but is "4--4"'],
  ['activation=swish', 'activation', 'must be one of tanh, relu, leakyRelu, sigmoid, linear, but is "swish"'],
  ['rate=0', 'rate', 'must be a number from 0.00001 to 10, but is "0"'],
  ['rate=0x1', 'rate', 'must be a number from 0.00001 to 10, but is "0x1"'],
  ['rate=Infinity', 'rate', 'must be a number from 0.00001 to 10, but is "Infinity"'],
  ['batch=0', 'batch', 'must be a whole number from 1 to 400, but is "0"'],
  ['strength=-1', 'strength', 'must be a number from 0 to 1, but is "-1"'],
  ['seed=1e3', 'seed', 'must be a whole number from 0 to 999999, but is "1e3"'],
  ['replicas=9', 'replicas', 'must be a whole number from 1 to 8, but is "9"'],
  ['points=1.2', 'points', 'must be up to 200 points x.y.class in hundredths, as in -50.125.1_30.0.0, but is "1.2"'],
  [
    'points=0.0.2',
    'points',
    'must be up to 200 points x.y.class in hundredths, as in -50.125.1_30.0.0, but is "0.0.2"',
  ],
  [
    'points=201.0.1',
    'points',
    'must be up to 200 points x.y.class in hundredths, as in -50.125.1_30.0.0, but is "201.0.1"',
  ],
])('%s is reported, and the default used', (address, name, problem) => {
  const { settings, problems } = readAddress(`${address}&seed=3`.replace('seed=1e3&seed=3', 'seed=1e3'));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(`${name} ${problem}`);
  const expected = name === 'seed' ? DEFAULTS : { ...DEFAULTS, seed: 3 };
  expect(settings).toEqual(expected);
  expect(problems[0]).toMatch(/; .+ is used instead\.$/);
});

test('unknown and repeated settings are reported', () => {
  expect(readAddress('layer=4&rate=1&rate=2')).toEqual({
    settings: DEFAULTS,
    problems: [
      'rate must be given once, but is given 2 times; 0.01 is used instead.',
      'There is no setting "layer"; the settings are data, noise, share, data-seed, points, layers, activation, optimizer, rate, batch, penalty, strength, seed, replicas.',
    ],
  });
});

test('a hostile address is quoted in part, and too many points are rejected', () => {
  const [problem] = readAddress(`data=${'x'.repeat(10_000)}`).problems;
  expect(problem!.length).toBeLessThan(200);
  const points = Array.from({ length: 201 }, () => '0.0.1').join('_');
  expect(readAddress(`points=${points}`).settings.points).toEqual([]);
  expect(readAddress(`points=${points}`).problems).toHaveLength(1);
  expect(readAddress(`points=${points.slice(6)}`).settings.points).toHaveLength(200);
});

test('checkSetting: returns the value of a control, or the problem if it is invalid', () => {
  expect(checkSetting('rate', '0.5')).toEqual({ value: 0.5 });
  expect(checkSetting('rate', '')).toEqual({ problem: 'must be a number from 0.00001 to 10, but is ""' });
});
