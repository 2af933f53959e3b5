import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ACTIVATIONS,
  addressOf,
  DATA,
  DEFAULTS,
  hasEffect,
  MAX_LAYERS,
  NETWORKS,
  OPTIMIZERS,
  PENALTIES,
  RANGES,
  type Settings,
  settingsFrom,
} from '../../web/src/settings.ts';

const read = (address: string) => settingsFrom(new URLSearchParams(address));

const oneOf = <T extends object>(values: T) => fc.constantFrom(...(Object.keys(values) as (keyof T)[]));
const integer = ([min, max]: readonly [number, number]) => fc.integer({ min, max });
const double = ([min, max]: readonly [number, number]) => fc.double({ min, max, noNaN: true });
const anySettings: fc.Arbitrary<Settings> = fc.record({
  data: oneOf(DATA),
  network: oneOf(NETWORKS),
  layers: fc.array(integer(RANGES.units), { maxLength: MAX_LAYERS }),
  activation: oneOf(ACTIVATIONS),
  optimizer: oneOf(OPTIMIZERS),
  rate: double(RANGES.rate),
  batch: integer(RANGES.batch),
  penalty: oneOf(PENALTIES),
  strength: double(RANGES.strength),
  replicas: integer(RANGES.replicas),
  seed: integer(RANGES.seed),
});

test('settingsFrom: returns the defaults for an empty address', () => {
  expect(read('')).toEqual({ settings: DEFAULTS, problems: [], reasons: [] });
});

test('settingsFrom: returns the settings from which addressOf made the address, if they have an effect', () => {
  fc.assert(
    fc.property(anySettings, (settings) => {
      const { settings: again, problems } = read(addressOf(settings));
      expect(problems).toEqual([]);
      const names = (Object.keys(settings) as (keyof Settings)[]).filter((name) => hasEffect(name, settings));
      for (const name of names) expect(again[name]).toEqual(settings[name]);
    }),
  );
});

test('addressOf: leaves out what has no effect', () => {
  expect(addressOf(DEFAULTS)).not.toMatch(/layers|strength/);
  expect(addressOf({ ...DEFAULTS, network: 'mlp', penalty: 'l2' })).toMatch(/layers=128-64.*strength=0.001/);
});

test('settingsFrom: an optimizer without a rate has a suitable one', () => {
  expect(read('optimizer=sgd').settings.rate).toBe(0.1);
  expect(read('optimizer=sgd&rate=0.5').settings.rate).toBe(0.5);
});

test.each([
  ['network=vgg', 'network must be one of lenet5, mlp, but is "vgg"; lenet5 is used instead.'],
  ['network=toString', 'network must be one of lenet5, mlp, but is "toString"; lenet5 is used instead.'],
  ['replicas=11', 'replicas must be an integer from 1 to 10, but is "11"; 1 is used instead.'],
  ['replicas=1.5', 'replicas must be an integer from 1 to 10, but is "1.5"; 1 is used instead.'],
  ['batch=', 'batch must be an integer from 1 to 1024, but is ""; 64 is used instead.'],
  ['batch=0x10', 'batch must be an integer from 1 to 1024, but is "0x10"; 64 is used instead.'],
  ['rate=-1', 'rate must be a number from 0.000001 to 10, but is "-1"; 0.002 is used instead.'],
  ['rate=Infinity', 'rate must be a number from 0.000001 to 10, but is "Infinity"; 0.002 is used instead.'],
  ['rate=NaN', 'rate must be a number from 0.000001 to 10, but is "NaN"; 0.002 is used instead.'],
  ['seed=-1', 'seed must be an integer from 0 to 2147483647, but is "-1"; 1 is used instead.'],
  [
    'layers=12-x',
    'layers must be up to 6 integers from 1 to 8192, such as 128-64, but is "12-x"; 128-64 is used instead.',
  ],
  ['layers=1-2-3-4-5-6-7', expect.stringContaining('layers must be up to 6 integers')],
  ['layers=12-0', expect.stringContaining('layers must be up to 6 integers')],
  ['seed=1&seed=2', 'seed is given 2 times; 1 is used instead.'],
  ['epochs=3', expect.stringMatching(/^There is no setting "epochs"; the settings are data, network, /)],
  [`data=${'<b>'.repeat(30)}`, expect.stringContaining('but is "<b><b><b><b><b><b><b><b><b><b>..."')],
])('settingsFrom: reports the invalid value in %s, and uses the default', (address, problem) => {
  const { settings, problems, reasons } = read(address);
  expect(settings).toEqual(DEFAULTS);
  expect(problems).toEqual([problem]);
  expect(reasons).toEqual([problems[0]!.replace(/; [^;]* is used instead\.$/, '.')]);
});

test('settingsFrom: accepts any address, and returns valid settings', () => {
  const names = [...Object.keys(DEFAULTS), 'other'];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), fc.string())), (pairs) => {
      const { settings } = settingsFrom(new URLSearchParams(pairs));
      expect(settingsFrom(new URLSearchParams(addressOf(settings))).problems).toEqual([]);
    }),
  );
});

test('settingsFrom: no hidden layers are written as 0', () => {
  const { settings } = read('network=mlp&layers=0');
  expect(settings.layers).toEqual([]);
  expect(addressOf(settings)).toContain('layers=0');
});
