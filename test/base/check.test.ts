import { expect, test } from 'vitest';
import { checkOptions, type OptionNames } from '../../src/base/check.ts';
import { ArgumentError } from '../../src/base/errors.ts';

interface Options {
  batchSize?: number;
  epochs?: number;
  learningRate?: number;
  activation?: string;
  l1?: number;
}
const names: OptionNames<Options> = { batchSize: true, epochs: true, learningRate: true, activation: true, l1: true };
const all = 'activation, batchSize, epochs, l1, learningRate';

test.each<[given: string, meant: string | null]>([
  ['batch_size', 'batchSize'],
  ['BATCHSIZE', 'batchSize'],
  ['batchsize', 'batchSize'],
  ['learning_rate', 'learningRate'],
  ['epoch', 'epochs'],
  ['epohcs', 'epochs'],
  ['acitvation', 'activation'],
  ['actvtion', 'activation'],
  ['actvton', null], // three letters are missing
  ['lr', null], // one letter from l1, but that is half of it
  ['momentum', null],
  ['', null],
  ['__proto__x', null],
  ['toString', null],
])('checkOptions: throws for %s, and suggests the nearest option if there is one', (given, meant) => {
  const check = () => checkOptions('fit', { epochs: 1, [given]: undefined }, names);
  expect(check).toThrow(ArgumentError);
  const near = meant === null ? '. ' : `; did you mean ${meant}? `;
  expect(check).toThrow(new ArgumentError(`fit: there is no option ${given}${near}There are ${all}`));
});

test('nearName: returns the closer of two names', () => {
  const check = (given: string) => () =>
    checkOptions('pad', { [given]: 1 }, { beta: 1, betas1: 1, betas2: 1 } as never);
  expect(check('betas')).toThrow(/did you mean beta\?/);
  expect(check('betas_2')).toThrow(/did you mean betas2\?/);
});

test('checkOptions: the message uses the singular if there is one option', () => {
  const check = () => checkOptions('pad', { fill: 1 } as { value?: number }, { value: true });
  expect(check).toThrow('pad: there is no option fill. There is value');
});

test('checkOptions: accepts known options, undefined or not, and ignores inherited ones', () => {
  const options: Options = Object.assign(Object.create({ inherited: 1 }), { epochs: undefined, batchSize: 3 });
  expect(checkOptions('fit', options, names)).toBe(options);
});

test.each([null, undefined, 3, 'epochs', () => {}])('checkOptions: throws ArgumentError for %s', (options) => {
  expect(() => checkOptions('fit', options as never, names)).toThrow(/fit: options must be an object, but are/);
});

test('OptionNames: a list must have all names and no others, by type', () => {
  // @ts-expect-error: batchSize and more are missing
  const tooFew: OptionNames<Options> = { epochs: true };
  // @ts-expect-error: there is no momentum
  const tooMany: OptionNames<Options> = { ...names, momentum: true };
  // @ts-expect-error: nor where the list is written in its place
  expect(() => checkOptions('fit', { epochs: 1 } as Options, { epochs: true })).not.toThrow();
  expect([tooFew, tooMany].map((list) => Object.keys(list).length)).toEqual([1, 6]);
});
