import { inspect } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { ArgumentError } from '../../src/base/errors.ts';
import { exploreSpace } from '../../src/search/explore.ts';
import { HyperParameters } from '../../src/search/hyperparameters.ts';
import { hyperparameter } from '../../src/search/record.ts';

const message = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(ArgumentError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};

describe('values for a builder', () => {
  const build = (hp: HyperParameters) => ({
    units: hp.int('units', { min: 16, max: 64, step: 16 }),
    rate: hp.float('rate', { min: 1e-4, max: 0.1, sampling: 'log', default: 0.01 }),
    activation: hp.choice('activation', ['relu', 'tanh']),
    isShuffled: hp.boolean('shuffled', { default: true }),
    classes: hp.fixed('classes', 10),
  });

  test('are defaults outside a trial: min, the first choice, false, or the given default', () => {
    const expected = { units: 16, rate: 0.01, activation: 'relu', isShuffled: true, classes: 10 };
    expect(build(new HyperParameters())).toEqual(expected);
    expect(new HyperParameters().boolean('a')).toBe(false);
    expect(new HyperParameters().float('a', { min: 0.5, max: 2 })).toBe(0.5);
  });

  test('are set values first, then drawn, with the values so far; a fixed one is not drawn', () => {
    const draw = vi.fn((h) => (h.name === 'units' ? 48 : h.name === 'activation' ? 'tanh' : false));
    const hp = new HyperParameters({ values: { rate: 0.02, 'tuner/epochs': 4 }, draw });
    expect(build(hp)).toEqual({ units: 48, rate: 0.02, activation: 'tanh', isShuffled: false, classes: 10 });
    expect(draw.mock.calls.map(([h, ...rest]) => [h.name, ...rest])).toEqual([
      ['units', { rate: 0.02, 'tuner/epochs': 4 }],
      ['activation', { units: 48, rate: 0.02, 'tuner/epochs': 4 }],
      ['shuffled', { units: 48, rate: 0.02, activation: 'tanh', 'tuner/epochs': 4 }],
    ]);
    expect(Object.entries(hp.values)).toEqual([
      ['units', 48],
      ['rate', 0.02],
      ['activation', 'tanh'],
      ['shuffled', false],
      ['classes', 10],
      ['tuner/epochs', 4],
    ]);
  });

  test('requests are recorded in order, as in the record of a search', () => {
    const hp = new HyperParameters();
    build(hp);
    const conditions: never[] = [];
    expect(hp.asked).toEqual([
      { kind: 'int', name: 'units', conditions, min: 16, max: 64, sampling: 'linear', step: 16, default: 16 },
      { kind: 'float', name: 'rate', conditions, min: 1e-4, max: 0.1, sampling: 'log', step: null, default: 0.01 },
      { kind: 'choice', name: 'activation', conditions, values: ['relu', 'tanh'], ordered: false, default: 'relu' },
      { kind: 'boolean', name: 'shuffled', conditions, default: true },
      { kind: 'fixed', name: 'classes', conditions, value: 10 },
    ]);
    for (const h of hp.asked) expect(hyperparameter.parse(h)).toEqual(h);
  });

  test('a choice is ordered if its values are numbers, unless `ordered` is given', () => {
    const hp = new HyperParameters();
    hp.choice('a', [1, 2]);
    hp.choice('b', [1, 2], { ordered: false });
    hp.choice('c', ['small', 'large'], { ordered: true });
    expect(hp.asked.map((h) => 'ordered' in h && h.ordered)).toEqual([true, false, true]);
  });

  test('a repeated name: has the same value, drawn once, also with another default', () => {
    const draw = vi.fn(() => 3);
    const hp = new HyperParameters({ draw });
    expect(hp.int('layers', { min: 1, max: 5 })).toBe(3);
    expect(hp.int('layers', { min: 1, max: 5, default: 2 })).toBe(3);
    expect(draw).toHaveBeenCalledTimes(1);
    expect(hp.asked.length).toBe(1);
  });

  test('get: returns a requested or set value, and suggests a near name for others', () => {
    const hp = new HyperParameters({ values: { later: 3, 'tuner/epochs': 4 } });
    hp.int('units', { min: 5, max: 9 });
    expect([hp.get('units'), hp.get('later'), hp.get('tuner/epochs')]).toEqual([5, 3, 4]);
    expect(message(() => hp.get('unit'))).toBe(
      'hp.get: no hyperparameter "unit" was asked for; did you mean units? (there are units)',
    );
    expect(message(() => new HyperParameters().get('units'))).toMatch(/none was asked for yet/);
    expect(hp.unasked).toEqual(['later']);
  });

  test('values and asked are copies', () => {
    const hp = new HyperParameters();
    hp.int('units', { min: 5, max: 9 });
    hp.values.units = 7;
    (hp.asked as unknown[]).pop();
    expect([hp.values, hp.asked.length]).toEqual([{ units: 5 }, 1]);
  });

  test('types: a choice has the type of its values', () => {
    const activation: 'relu' | 'tanh' = new HyperParameters().choice('activation', ['relu', 'tanh']);
    // @ts-expect-error: the default is not one of the values
    expect(() => new HyperParameters().choice('a', ['relu', 'tanh'], { default: 'elu' })).toThrow(ArgumentError);
    expect(activation).toBe('relu');
  });
});

describe('conditionalScope', () => {
  const build = (hp: HyperParameters) => {
    const kind = hp.choice('kind', ['mlp', 'cnn', 'linear']);
    const units = hp.conditionalScope('kind', ['mlp'], () => hp.int('units', { min: 1, max: 4 }));
    const filters = hp.conditionalScope('kind', ['cnn'], () => {
      const pool = hp.boolean('pool');
      return [pool, hp.conditionalScope('pool', [true], () => hp.int('units', { min: 10, max: 40 }))];
    });
    return { kind, units, filters };
  };

  test('runs its function, whose hyperparameters get the condition, only if the condition holds', () => {
    const hp = new HyperParameters();
    expect(build(hp)).toEqual({ kind: 'mlp', units: 1, filters: undefined });
    expect(hp.values).toEqual({ kind: 'mlp', units: 1 });
    expect(hp.asked[1]!.conditions).toEqual([{ name: 'kind', values: ['mlp'] }]);
    expect(hp.skippedScopes).toEqual([[{ name: 'kind', values: ['cnn'] }]]);
  });

  test('conditions of nested scopes add up, and end with them', () => {
    const hp = new HyperParameters({ values: { kind: 'cnn', pool: true } });
    expect(build(hp)).toEqual({ kind: 'cnn', units: undefined, filters: [true, 10] });
    hp.int('after', { min: 0, max: 1 });
    expect(hp.asked.map(({ name, conditions }) => [name, conditions.map((condition) => condition.name)])).toEqual([
      ['kind', []],
      ['pool', ['kind']],
      ['units', ['kind', 'pool']],
      ['after', []],
    ]);
  });

  test('ends if its function throws', () => {
    const hp = new HyperParameters();
    hp.boolean('a');
    const thrown = new Error('mine');
    const enter = () =>
      hp.conditionalScope('a', [false], () => {
        throw thrown;
      });
    expect(enter).toThrow(thrown);
    hp.boolean('b');
    expect(hp.asked[1]!.conditions).toEqual([]);
  });

  test.each<[string, (hp: HyperParameters) => unknown, RegExp]>([
    ['an unknown parent', (hp) => hp.conditionalScope('kinds', ['a'], () => 0), /no hyperparameter "kinds".*mean kind/],
    [
      'a value it cannot have',
      (hp) => hp.conditionalScope('kind', ['c'], () => 0),
      /"c" is not a value of kind, a choice/,
    ],
    ['no values', (hp) => hp.conditionalScope('kind', [], () => 0), /at least one value of the parent, but are \[\]/],
    ['a value instead of a list', (hp) => hp.conditionalScope('kind', 'a' as never, () => 0), /a list.*but are "a"/],
    ['no function', (hp) => hp.conditionalScope('kind', ['a'], 3 as never), /takes a function, but was given 3/],
    ['an async function', (hp) => hp.conditionalScope('kind', ['a'], async () => 0), /must not be async/],
  ])('throws for %s', (_, call, expected) => {
    const hp = new HyperParameters();
    hp.choice('kind', ['a', 'b']);
    expect(message(() => call(hp))).toMatch(expected);
  });

  test('exploreSpace: finds conditional hyperparameters, each once, parents first', async () => {
    const discard = vi.fn();
    const space = await exploreSpace(build, discard);
    expect(space.map(({ name, conditions }) => [name, ...conditions.map(({ values }) => values[0])])).toEqual([
      ['kind'],
      ['units', 'mlp'],
      ['pool', 'cnn'],
      ['units', 'cnn', true],
    ]);
    expect(discard).toHaveBeenCalledTimes(3);
    expect(discard).toHaveBeenLastCalledWith({ kind: 'cnn', units: undefined, filters: [true, 10] });
  });

  test('exploreSpace: ends if conditions exclude each other, and awaits an async builder', async () => {
    const space = await exploreSpace(async (hp) => {
      hp.choice('kind', ['a', 'b']);
      hp.conditionalScope('kind', ['a'], () => hp.conditionalScope('kind', ['b'], () => hp.boolean('never')));
    });
    expect(space.map(({ name }) => name)).toEqual(['kind']);
  });
});

describe('a name with two kinds or ranges in one build throws', () => {
  const asks: [string, (hp: HyperParameters) => unknown][] = [
    ['int from 1 to 5', (hp) => hp.int('x', { min: 1, max: 5 })],
    ['int from 1 to 5 by steps of 2', (hp) => hp.int('x', { min: 1, max: 5, step: 2 })],
    ['int from 1 to 5, log', (hp) => hp.int('x', { min: 1, max: 5, sampling: 'log' })],
    ['float from 1 to 5', (hp) => hp.float('x', { min: 1, max: 5 })],
    ['choice of 1, 2', (hp) => hp.choice('x', [1, 2], { ordered: false })],
    ['ordered choice of 1, 2', (hp) => hp.choice('x', [1, 2])],
    ['choice of "1", "2"', (hp) => hp.choice('x', ['1', '2'])],
    ['boolean', (hp) => hp.boolean('x')],
    ['fixed 1', (hp) => hp.fixed('x', 1)],
    ['fixed "1"', (hp) => hp.fixed('x', '1')],
  ];
  const pairs = asks.flatMap((first, i) => asks.filter((_, j) => j !== i).map((second) => [first, second] as const));

  test.each(pairs)('%s, %s', ([first, askFirst], [second, askSecond]) => {
    const hp = new HyperParameters();
    askFirst(hp);
    expect(message(() => askSecond(hp))).toBe(
      `hp: x is asked for as a ${first} and as a ${second}; give one of the two another name`,
    );
  });
});

describe('invalid arguments', () => {
  const hp = () => new HyperParameters();
  const nan = Number.NaN;

  test.each(['int', 'float', 'choice', 'boolean', 'fixed'] as const)('hp.%s throws for an invalid name', (kind) => {
    const rest = { int: { min: 0, max: 1 }, float: { min: 0, max: 1 }, choice: [1], boolean: {}, fixed: 1 }[kind];
    for (const name of ['', 'tuner/epochs', '__proto__', 'constructor', 'toString', 3, null, undefined]) {
      const call = () => (hp()[kind] as (...args: unknown[]) => unknown)(name, rest);
      expect(message(call)).toMatch(new RegExp(`^hp.${kind}: (name must be text|.* is a reserved name)`));
    }
  });

  test.each<[string, object, RegExp]>([
    ['NaN as min', { min: nan, max: 1 }, /min must be a finite number, but is NaN/],
    ['no max', { min: 0 }, /max must be a finite number, but is undefined/],
    ['an infinite max', { min: 0, max: Number.POSITIVE_INFINITY }, /max must be a finite number, but is Infinity/],
    ['text', { min: '0', max: 1 }, /min must be a finite number, but is "0"/],
    ['an inverted range', { min: 3, max: 1 }, /min must be at most max, but 3 is above 1; exchange the two/],
    ['a step of 0', { min: 0, max: 4, step: 0 }, /step must be above 0, but is 0/],
    ['a step below 0', { min: 0, max: 4, step: -1 }, /step must be above 0, but is -1/],
    ['a step that is not a number', { min: 0, max: 4, step: nan }, /step must be above 0, but is NaN/],
    ['log from 0', { min: 0, max: 4, sampling: 'log' }, /with sampling 'log', min must be above 0, but is 0/],
    ['log from below 0', { min: -2, max: 4, sampling: 'log' }, /min must be above 0, but is -2/],
    ['log with a factor of 1', { min: 1, max: 4, step: 1, sampling: 'log' }, /a factor above 1, .* but is 1/],
    ['an unknown sampling', { min: 1, max: 4, sampling: 'reverse_log' }, /'linear' or 'log', but is "reverse_log"/],
    [
      'a default out of range',
      { min: 1, max: 4, default: 5 },
      /default: 5 is not a value of x, a (int|float) from 1 to 4/,
    ],
    ['a default between steps', { min: 1, max: 5, step: 2, default: 2 }, /default: 2 is not a value of x/],
    ['a misspelt option', { min: 1, max: 4, steps: 2 }, /there is no option steps; did you mean step\?/],
    ['options that are not an object', 3 as never, /options must be an object, but are 3/],
  ])('hp.int and hp.float throw for %s', (_, options, expected) => {
    expect(message(() => hp().int('x', options as never))).toMatch(expected);
    expect(message(() => hp().float('x', options as never))).toMatch(expected);
  });

  test('hp.int throws for fractions', () => {
    expect(message(() => hp().int('x', { min: 0.5, max: 4 }))).toMatch(/min must be an integer, but is 0.5; hp.float/);
    expect(message(() => hp().int('x', { min: 0, max: 4, step: 1.5 }))).toMatch(/step must be an integer, but is 1.5/);
    expect(message(() => hp().int('x', { min: 0, max: 2 ** 53 }))).toMatch(/max must be an integer/);
    expect(message(() => hp().int('x', { min: 0, max: 4, default: 1.5 }))).toMatch(/default: 1.5 is not a value/);
  });

  test('hp.float throws for a range that overflows', () => {
    expect(message(() => hp().float('x', { min: -1e308, max: 1e308 }))).toMatch(/wider than a number can hold/);
    expect(message(() => hp().float('x', { min: 1e-320, max: 1e300, sampling: 'log' }))).toMatch(/wider than/);
  });

  test.each<[string, unknown, RegExp]>([
    ['no list', 'relu', /must be a list of at least one value, but are "relu"/],
    ['an empty list', [], /must be a list of at least one value, but are \[\]/],
    ['two types', [1, 'a'], /values must be of one type, but 1 and "a" are not/],
    ['null', [null], /a finite number, text, true or false, but null was given/],
    ['NaN', [nan], /but NaN was given/],
    ['an object', [{}], /but {} was given/],
    ['a hole', Object.assign(new Array(3), { 0: 1, 2: 2 }), /but undefined was given/],
    ['a value twice', ['a', 'b', 'a'], /"a" is listed twice/],
  ])('hp.choice throws for %s', (_, values, expected) => {
    expect(message(() => hp().choice('x', values as never))).toMatch(expected);
  });

  test('hp.choice, hp.boolean: invalid options; hp.fixed: invalid values', () => {
    expect(message(() => hp().choice('x', [1], { default: 2 } as never))).toMatch(/default: 2 is not a value of x/);
    expect(message(() => hp().choice('x', [1], { ordered: 1 } as never))).toMatch(/ordered must be true or false/);
    expect(message(() => hp().boolean('x', { default: 1 } as never))).toMatch(
      /default must be true or false, but is 1/,
    );
    expect(message(() => hp().boolean('x', true as never))).toMatch(/options must be an object, but are true/);
    expect(message(() => hp().fixed('x', null as never))).toMatch(/but null was given/);
  });

  test.each<[unknown, (hp: HyperParameters) => unknown]>([
    [6, (hp) => hp.int('x', { min: 1, max: 5 })],
    [0, (hp) => hp.int('x', { min: 1, max: 5 })],
    [2.5, (hp) => hp.int('x', { min: 1, max: 5 })],
    [2, (hp) => hp.int('x', { min: 1, max: 5, step: 2 })],
    [3, (hp) => hp.int('x', { min: 1, max: 8, step: 2, sampling: 'log' })],
    ['3', (hp) => hp.int('x', { min: 1, max: 5 })],
    [true, (hp) => hp.int('x', { min: 1, max: 5 })],
    [5.1, (hp) => hp.float('x', { min: 1, max: 5 })],
    ['2', (hp) => hp.float('x', { min: 1, max: 5 })],
    [0.31, (hp) => hp.float('x', { min: 0.1, max: 0.5, step: 0.2 })],
    ['elu', (hp) => hp.choice('x', ['relu', 'tanh'])],
    [1, (hp) => hp.boolean('x')],
    [11, (hp) => hp.fixed('x', 10)],
  ])('a set value, and a drawn value, that is invalid: %j', (value, ask) => {
    const given = new HyperParameters({ values: { x: value as never } });
    expect(message(() => ask(given))).toMatch(/^HyperParameters: values: .* is not a value of x, a /);
    const drawn = new HyperParameters({ draw: () => value as never });
    const isFixed = value === 11;
    if (!isFixed) expect(message(() => ask(drawn))).toMatch(/^draw: .* is not a value of x, a /);
    expect([given.asked.length, drawn.asked.length]).toEqual([0, 0]);
  });

  test.each<[string, unknown[]]>([
    ['int', ['x', { min: 1, max: 2 }]],
    ['float', ['x', { min: 1, max: 2 }]],
    ['choice', ['x', [1, 2], {}]],
    ['boolean', ['x', {}]],
    ['fixed', ['x', 1]],
    ['conditionalScope', ['a', [false], () => 1]],
    ['get', ['a']],
  ])('hp.%s throws for surplus arguments', (method, args) => {
    const hp = new HyperParameters();
    hp.boolean('a');
    const call = (...all: unknown[]) => (hp[method as 'get'] as (...all: unknown[]) => unknown).apply(hp, all);
    expect(message(() => call(...args, 7))).toBe(`hp.${method}: 7 is an argument more than it takes; leave it out`);
    expect(() => call(...args)).not.toThrow();
  });

  test('ranges in the form of other libraries: the error has the form used here', () => {
    const hp = new HyperParameters() as unknown as Record<'int' | 'float', (...args: unknown[]) => unknown>;
    expect(message(() => hp.float('rate', 1e-4, 1e-1))).toBe(
      'hp.float: the range is given by name: { min: 0.0001, max: 0.1 }',
    );
    expect(message(() => hp.int('units', 1, 9))).toBe('hp.int: the range is given by name: { min: 1, max: 9 }');
    expect(message(() => hp.int('units', { minValue: 1, max: 9 }))).toMatch(
      /^hp\.int\("units"\): there is no option minValue; it is min here\. There are default, max, min/,
    );
    expect(message(() => hp.float('rate', { min: 0, max_value: 1 }))).toMatch(/max_value; it is max here\./);
  });

  test('console.log shows only the values', () => {
    const hp = new HyperParameters({ values: { units: 32 } });
    hp.int('units', { min: 16, max: 64 });
    expect(inspect(hp)).toBe('{ units: 32 }');
    expect(inspect([hp])).toBe('[ { units: 32 } ]');
  });

  test('HyperParameters: invalid options', () => {
    const make = (options: unknown, ...more: unknown[]) =>
      message(() => new HyperParameters(options as never, ...(more as never[])));
    expect(make({ value: {} })).toMatch(/there is no option value; did you mean values\?/);
    expect(make({ values: [1] })).toMatch(/values: options must be an object/);
    expect(make({ values: { x: null } })).toMatch(/"x": a value is a finite number, text, true or false, but null/);
    expect(make({ values: { x: nan } })).toMatch(/but NaN was given/);
    expect(make({ draw: 3 })).toMatch(/draw: takes a function, but was given 3/);
    expect(make({}, 1)).toMatch(/1 is an argument more/);
  });
});
