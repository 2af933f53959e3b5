import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.ts';
import type { Network } from '../../src/cli/experiment.ts';
import { FakeIo, lenetOf, tilegrad } from './fakes.ts';

describe('help and version', () => {
  test.each([
    [['--help'], ['doctor', 'list', 'run', 'report', 'compare', 'data']],
    [
      ['report', '--help'],
      ['--json', '<run>'],
    ],
    [
      ['compare', '--help'],
      ['--json', '--out', '<runs...>'],
    ],
    [['doctor', '--help'], ['--json']],
    [['list', '--help'], ['--json']],
    [
      ['data', '--help'],
      ['list', 'fetch'],
    ],
    [['data', 'list', '--help'], ['--json']],
    [
      ['data', 'fetch', '--help'],
      ['--json', '<name>'],
    ],
    [
      ['run', '--help'],
      [
        '--data',
        '--scale',
        '--resume',
        '--epochs',
        '--batch',
        '--lr',
        '--seed',
        '--replicas',
        '--limit',
        '--out',
        '--json',
      ],
    ],
  ])('%j lists what there is, on stdout, and loads no engine', async (words, names) => {
    const { code, out, err, log } = await tilegrad(words);
    expect(code).toBe(0);
    expect(err).toBe('');
    for (const name of names) expect(out).toContain(name);
    expect(log.engineLoads).toBe(0);
  });

  test('--version prints only the version', async () => {
    expect((await tilegrad(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong usage exits with 2 and lists the valid choices', () => {
  test.each([
    [['train'], ['unknown command', 'doctor, list, run, search, worker, tune, report, compare, results, data']],
    [['lst'], ['Did you mean list?']],
    [[], ['needs a command', 'doctor, list, run, search, worker, tune, report, compare, results, data']],
    [['data'], ['needs a command', 'list, fetch']],
    [
      ['data', 'get'],
      ['unknown command', 'list, fetch'],
    ],
    [['run'], ['experiment']],
    [
      ['run', 'Z9'],
      ['unknown experiment "Z9"', 'A1, A'],
    ],
    [
      ['run', 'A1', '--epoch', '3'],
      ['--epoch', 'Did you mean --epochs?', '--batch'],
    ],
    [['run', 'A1', 'A2'], ['too many arguments']],
    [
      ['run', 'A1', '--scale', 'tiny'],
      ['--scale takes full, short, smoke', '"tiny"'],
    ],
    [
      ['run', 'A1', '--runs', '2', '--replicas', '3'],
      ['--runs 2', '--replicas 3', 'give only'],
    ],
    [
      ['run', 'A1', '--epochs'],
      ['--epochs', 'missing'],
    ],
    [
      ['list', '--epochs', '3'],
      ['--epochs', '--json'],
    ],
    [['data', 'fetch'], ['name']],
    [
      ['data', 'fetch', 'imagenet'],
      ['unknown data set "imagenet"', 'cifar10, mnist, fashion-mnist'],
    ],
  ])('%j', async (words, phrases) => {
    const { code, out, err } = await tilegrad(words);
    expect(code).toBe(2);
    expect(out).toBe('');
    for (const phrase of phrases) expect(err).toContain(phrase);
    expect(err.match(/error:/g)).toHaveLength(1);
  });

  test.each(['--epochs', '--batch', '--runs', '--replicas', '--limit', '--seed'])(
    '%s takes only whole numbers',
    async (option) => {
      const wrong = ['many', '-1', '1.5', '1e3', '0x10', '', ' 7', 'NaN', 'Infinity', '9007199254740993'];
      if (option !== '--seed') wrong.push('0');
      for (const value of wrong) {
        const { code, err, log } = await tilegrad(['run', 'A1', option, value]);
        expect([value, code]).toEqual([value, 2]);
        expect(err).toContain(option);
        expect(err).toContain(`"${value}"`);
        expect(log.engineLoads).toBe(0);
      }
    },
  );

  test.each(['--runs', '--replicas'])('%s has a maximum, which --help states', async (option) => {
    for (const value of ['1001', '100000', '4294967294']) {
      const { code, err, log } = await tilegrad(['run', 'A1', option, value]);
      expect({ code, loads: log.engineLoads }).toEqual({ code: 2, loads: 0 });
      expect(err).toContain(`${option} takes a whole number from 1 to 1000, but was given "${value}"`);
    }
    expect((await tilegrad(['run', '--help'])).out).toMatch(/--replicas.*\s.*at most\s+1000/);
  });

  test.each(['1e39', '1e-50', '1e-40'])('--lr: throws for %s, which f32 cannot represent', async (value) => {
    const { code, err } = await tilegrad(['run', 'A1', '--lr', value]);
    expect(code).toBe(2);
    expect(err).toContain(`--lr takes a 32-bit float, a number from 1.2e-38 to 3.4e38, but was given "${value}"`);
  });

  test('--lr takes numbers above 0', async () => {
    for (const value of ['fast', '0', '0.0', '-0.1', 'NaN', 'Infinity', '1e999', '', '1,5']) {
      const { code, err } = await tilegrad(['run', 'A1', '--lr', value]);
      expect([value, code]).toEqual([value, 2]);
      expect(err).toContain(`--lr takes a number above 0, but was given "${value}"`);
    }
  });

  test('seeds of all runs must fit in 32 bits', async () => {
    const { code, err } = await tilegrad(['run', 'A1', '--seed', '4294967295', '--runs', '2']);
    expect(code).toBe(2);
    expect(err).toContain('4294967295');
  });

  test.each([
    ['--epochs', 100_000],
    ['--batch', 65_536],
  ])('%s has a maximum', async (option, maximum) => {
    const { code, err, log } = await tilegrad(['run', 'A1', option, `${maximum + 1}`]);
    expect({ code, loads: log.engineLoads }).toEqual({ code: 2, loads: 0 });
    expect(err).toContain(`${option} takes a whole number from 1 to ${maximum}, but was given "${maximum + 1}"`);
  });

  test('tune --batch has the same maximum', async () => {
    const { code, err, log } = await tilegrad(['tune', 'A1', '--batch', '99999999']);
    expect({ code, loads: log.engineLoads }).toEqual({ code: 2, loads: 0 });
    expect(err).toContain('--batch takes a whole number from 1 to 65536');
  });

  test.each([
    [['run', 'A1', '--out'], '--out'],
    [['run', 'A1', '--data'], '--data'],
    [['run', 'A1', '--resume'], '--resume'],
    [['report'], 'report'],
    [['compare', 'runs/a', 'runs/b'], 'compare'],
    [['compare', 'runs/a', 'runs/b', '--out'], '--out'],
    [['results'], 'results'],
    [['results', '--docs'], '--docs'],
    [['data', 'list', '--data'], '--data'],
    [['data', 'fetch', 'mnist', '--data'], '--data'],
  ])('%j with an empty path is refused, and writes nothing', async (words, what) => {
    const before = readdirSync('.');
    for (const empty of ['', ' ']) {
      const { code, err, log } = await tilegrad([...words, empty]);
      expect({ code, loads: log.engineLoads }).toEqual({ code: 2, loads: 0 });
      expect(err).toContain(`${what} takes a path, but was given "${empty}"`);
    }
    expect(readdirSync('.')).toEqual(before);
  });
});

describe('errors', () => {
  const broken = { catalogue: () => Promise.reject(new DataError('train.bin is truncated')) };

  test('a known error prints its message without a stack, and exits with its code', async () => {
    const { code, out, err } = await tilegrad(['list'], { modules: broken });
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toBe('error: train.bin is truncated\n');
  });

  test.each([
    [['list', '--json'], 1, 'DATA'],
    [['run', 'A1', '--epochs', 'x', '--json'], 2, 'USAGE'],
    [['list', '--json', '--nonsense'], 2, 'USAGE'],
  ])('with --json, %j prints one JSON value on stdout and a message on stderr', async (words, exitCode, errorCode) => {
    const { code, out, err } = await tilegrad(words, { modules: broken });
    expect(code).toBe(exitCode);
    const { error } = JSON.parse(out);
    expect(Object.keys(error)).toEqual(['code', 'message']);
    expect(error.code).toBe(errorCode);
    expect(err).toContain(error.message);
  });

  test.each([
    [{ code: 'EIO', syscall: 'read' }, 'EIO: i/o error, read', 'EIO: i/o error, read'],
    [{ code: 'ENOENT', syscall: 'uv_cwd' }, 'ENOENT: uv_cwd', 'the folder you are in does not exist any more'],
  ])('an unexpected system error, %j, is a FileError and is not reported as a bug', async (fields, message, says) => {
    const modules = { catalogue: () => Promise.reject(Object.assign(new Error(message), fields)) };
    const { code, out, err } = await tilegrad(['list', '--json'], { modules });
    expect(code).toBe(1);
    expect(err).toContain(`error: ${says}`);
    expect(err).not.toContain('bug');
    expect(JSON.parse(out).error.code).toBe('FILE');
  });

  test('an unexpected error exits with 1, and shows its stack only with --debug or TILEGRAD_DEBUG', async () => {
    const modules = { catalogue: () => Promise.reject(new TypeError('x is not a function')) };
    const plain = await tilegrad(['list'], { modules });
    expect(plain.code).toBe(1);
    expect(plain.err).toContain('x is not a function');
    expect(plain.err).not.toContain('    at ');
    expect((await tilegrad(['list', '--debug'], { modules })).err).toContain('    at ');
    const io = new FakeIo();
    io.env = { TILEGRAD_DEBUG: '1' };
    expect((await tilegrad(['list'], { modules, io })).err).toContain('    at ');
  });
});

describe('list', () => {
  test('shows id, title, data sets and published metrics', async () => {
    const { code, out, log } = await tilegrad(['list']);
    expect(code).toBe(0);
    for (const text of ['A1', 'LeNet-5', 'cifar10', '0.6191 / 0.6022', 'A: A1: LeNet-5']) expect(out).toContain(text);
    expect(log.engineLoads).toBe(0);
  });

  test('--json prints the same as JSON', async () => {
    const { courseworks, experiments } = JSON.parse((await tilegrad(['list', '--json'])).out);
    expect(experiments).toMatchObject([{ id: 'A1', datasets: ['cifar10'], published: '0.6191 / 0.6022' }]);
    expect(courseworks).toMatchObject([{ id: 'A', rows: ['A1'] }]);
  });

  test('shows the variations that --short may cut, for experiments that have any', async () => {
    const experiments = (network: Network) => [
      lenetOf(network, { variations: ['doubled', 'halved'] }),
      lenetOf(network, { id: 'A2' }),
    ];
    const { out } = await tilegrad(['list'], { experiments });
    expect(out).toContain('\nVariations of A1, which `run A1 --short NAMES` may cut: doubled, halved\n');
    expect(out).not.toContain('Variations of A2');
    const listed = JSON.parse((await tilegrad(['list', '--json'], { experiments })).out);
    expect(listed.experiments[0].variations).toEqual(['doubled', 'halved']);
    expect((await tilegrad(['run', '--help'])).out).toMatch(/variations\s+of\s+an\s+experiment[\s\S]*`tilegrad list`/);
  });
});

describe('data', () => {
  test('list shows which data sets are complete, which are samples and which are incomplete', async () => {
    const { code, out } = await tilegrad(['data', 'list']);
    expect(code).toBe(0);
    for (const text of ['only the bundled sample', 'incomplete: /cache/mnist', 'not here', '5.0 MB']) {
      expect(out).toContain(text);
    }
    const entries = JSON.parse((await tilegrad(['data', 'list', '--json'])).out);
    expect(entries.map((entry: { found: unknown }) => entry.found)).toMatchObject([
      { kind: 'sample' },
      { missing: ['t10k-labels-idx1-ubyte'] },
      null,
      [
        { kind: 'cache', weights: [{ alpha: 1, rows: 224, includeTop: false }] },
        { kind: 'TILEGRAD_WEIGHTS', weights: [], problem: 'it is a file; name its folder' },
      ],
    ]);
    expect(out).toContain(
      'The ImageNet weights of MobileNetV2 in /cache/mobilenet-v2: alpha 1, 224 rows, without head\n' +
        'The ImageNet weights of MobileNetV2 in the folder of TILEGRAD_WEIGHTS, /w: it is a file; name its folder\n',
    );
  });

  test('fetch suggests the nearest name, reports an error in one sentence, and --help mentions the weights', async () => {
    for (const name of ['mobilenetv2', 'mobilenet_v2']) {
      const { code, err } = await tilegrad(['data', 'fetch', name]);
      expect(code).toBe(2);
      expect(err).toContain(`unknown data set "${name}"; did you mean mobilenet-v2? There are: `);
    }
    const { err } = await tilegrad(['data', 'fetch', 'mobilenet-v2', 'extra']);
    expect(err).toMatch(/got 2\. See `npx/);
    const { out } = await tilegrad(['data', 'fetch', '--help']);
    expect(out.replace(/\s+/g, ' ')).toMatch(
      /ImageNet weights of MobileNetV2.* the environment variable TILEGRAD_WEIGHTS names/,
    );
  });

  test('fetch prints progress on stderr and the path on stdout', async () => {
    const { code, out, err, io } = await tilegrad(['data', 'fetch', 'MNIST', '--data', '/d', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      name: 'mnist',
      path: '/d/mnist',
      files: ['a.gz'],
      downloaded: ['a.gz'],
      reused: [],
    });
    expect(err).toBe('a.gz, 5.0 MB\n');
    expect(io.handlers.size).toBe(0);
  });

  test('fetch mobilenet-v2 downloads the weights selected by --alpha, --rows and --top', async () => {
    const plain = await tilegrad(['data', 'fetch', 'mobilenet-v2']);
    expect(plain).toMatchObject({ code: 0, err: 'a.h5, 9.0 MB\n' });
    expect(plain.out).toBe(
      'The ImageNet weights of MobileNetV2 are in /cache/mobilenet-v2 (files: 1 downloaded, 0 already there)\n',
    );
    const words = [
      'data',
      'fetch',
      'mobilenet-v2',
      '--alpha',
      '1.0',
      '--rows',
      '96',
      '--top',
      '--data',
      '/d',
      '--json',
    ];
    expect(JSON.parse((await tilegrad(words)).out)).toEqual({
      name: 'mobilenet-v2',
      path: '/d/mobilenet-v2',
      files: ['{"alpha":1,"rows":96,"top":true}'],
      downloaded: ['a.h5'],
      reused: [],
    });
    for (const [wrong, message] of [
      [['mobilenet-v2', '--alpha', '0.6'], '--alpha takes 0.35, 0.5, 0.75, 1, 1.3, 1.4, but was given "0.6"'],
      [['mobilenet-v2', '--rows', '1e2'], '--rows takes 96, 128, 160, 192, 224, but was given "1e2"'],
      [['mnist', '--top'], '--top says which weights of mobilenet-v2 to fetch, but mnist is a data set'],
    ] as const) {
      const { code, err } = await tilegrad(['data', 'fetch', ...wrong]);
      expect(code).toBe(2);
      expect(err).toContain(message);
    }
  });
});
