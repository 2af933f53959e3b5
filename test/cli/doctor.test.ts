import { describe, expect, test } from 'vitest';
import { AdapterError, GpuError } from '../../src/base/errors.ts';
import { adapterAdvice } from '../../src/cli/advice.ts';
import type { Probe } from '../../src/gpu/probe.ts';
import { adapter, fakeModules, probe, tilegrad } from './fakes.ts';

const noAdapter = {
  openDevice: () => {
    throw new AdapterError('no WebGPU adapter was found');
  },
};

describe('doctor', () => {
  test('a training that works passes; prints adapter, times, features and limits', async () => {
    const { code, out, log } = await tilegrad(['doctor']);
    expect(code).toBe(0);
    expect(out).toContain('the loss went from 2.0000 to 1.0000 in 3 steps');
    for (const text of ['Mesa 25.0.7', 'shader-f16', 'maxBufferSize', 'run on the CPU', 'This machine can train.']) {
      expect(out).toContain(text);
    }
    expect(log.disposed).toEqual(['device']);
  });

  test('prints whether kernels were measured on this machine', async () => {
    expect((await tilegrad(['doctor'])).out).toMatch(
      /kernels +chosen by rules that were measured on such adapters; `npx tilegrad tune`/,
    );
    expect((await tilegrad(['doctor'], { measured: 3 })).out).toMatch(/kernels +chosen by measurement for 3 operators/);
    const { code, out } = await tilegrad(['doctor', '--json'], { tuningWarning: 'the cache is ignored' });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      tuning: { measured: 0, path: '/cache/tuning.json', rulesMeasured: true },
      advice: ['Nothing to worry about: the cache is ignored'],
    });
  });

  test('--json prints the whole diagnosis', async () => {
    const { code, out, err } = await tilegrad(['doctor', '--json']);
    expect(code).toBe(0);
    expect(err).toBe('');
    const diagnosis = JSON.parse(out);
    expect(diagnosis).toMatchObject({
      ok: true,
      adapter,
      probe,
      training: { losses: [2, 1.5, 1], stepSeconds: 2 },
      advice: [],
    });
    expect(diagnosis.checks.map((check: { name: string }) => check.name)).toEqual([
      'node',
      'webgpu',
      'adapter',
      'training',
    ]);
  });

  test('describes the findings about the adapter in plain words', async () => {
    const { out } = await tilegrad(['doctor']);
    for (const text of [
      'probe      subgroups number their lanes and pass values as kernels need it',
      'NaN stays NaN in a ReLU; compared with 0 as IEEE 754 says, with itself as IEEE 754 says',
      'quotients of 32-bit integers are right',
      'numbers below 1.2e-38 count as 0',
    ]) {
      expect(out).toContain(text);
    }
  });

  test.each<[string, Partial<Probe>, string, RegExp | null]>([
    ['no subgroups', { lanes: 'unused', shuffles: 'unused' }, 'kernels with subgroups are not used', null],
    [
      'lanes in another order',
      { lanes: 'wrong', shuffles: 'wrong' },
      'in another order than kernels need',
      /^Nothing to worry/,
    ],
    ['wrong shuffles', { shuffles: 'wrong' }, 'subgroups pass wrong values', /^Nothing to worry/],
    ['unknown lanes', { lanes: 'unknown', shuffles: 'unknown' }, 'could not be checked', /^Nothing to worry/],
    ['NaN that gets lost', { nanInRelu: 'wrong' }, 'NaN gets lost in a ReLU', /diverged/],
    ['comparisons', { nanAgainstItself: 'wrong' }, 'with itself wrongly, which kernels avoid', null],
    ['wrong quotients', { division: 'wrong', notes: ['9 by 3 is 4'] }, 'note: 9 by 3 is 4', /Update the driver/],
    ['small numbers', { denormals: 'kept' }, 'numbers below 1.2e-38 are calculated with', null],
  ])('prints the finding and what to do about it: %s', async (_what, found, text, step) => {
    const { code, out } = await tilegrad(['doctor'], { probe: found });
    expect(code).toBe(0); // it trains
    expect(out).toContain(text);
    const { advice, probe } = JSON.parse((await tilegrad(['doctor', '--json'], { probe: found })).out);
    expect(probe).toMatchObject(found);
    expect(advice).toEqual(step ? [expect.stringMatching(step)] : []);
  });

  test.each([
    ['a loss that does not decrease', [1, 1.2, 1.1], 'it should have decreased'],
    ['a loss that is not a number', [1, Number.NaN, 0.5], 'it should be a finite number'],
    ['no loss at all', [], 'it should be a finite number'],
  ])('fails for %s', async (_name, doctorLosses, text) => {
    const { code, out } = await tilegrad(['doctor', '--json'], { doctorLosses });
    expect(code).toBe(1);
    const { ok, checks, advice } = JSON.parse(out);
    expect(ok).toBe(false);
    expect(checks.at(-1)).toMatchObject({ name: 'training', ok: false });
    expect(checks.at(-1).detail).toContain(text);
    expect(advice).toHaveLength(1);
  });

  test('without an adapter: exits with 1, and says what is missing and what to run, as text and as JSON', async () => {
    const text = await tilegrad(['doctor'], noAdapter);
    expect(text.code).toBe(1);
    expect(text.out).toMatch(/FAILED +adapter +no WebGPU adapter was found/);
    expect(text.out).toContain('npx tilegrad setup');
    const { ok, adapter: found, training, advice } = JSON.parse((await tilegrad(['doctor', '--json'], noAdapter)).out);
    expect({ ok, found, training }).toEqual({ ok: false, found: null, training: null });
    expect(advice.length).toBeGreaterThan(1);
  });

  test('a device that fails during training is disposed and reported', async () => {
    const { modules, log } = fakeModules();
    const engine = {
      ...(await modules.engine()),
      trainSmallNetwork: () => Promise.reject(new GpuError('validation failed')),
    };
    const { code, out } = await tilegrad(['doctor'], { modules: { engine: async () => engine } });
    expect(code).toBe(1);
    expect(out).toMatch(/FAILED +training +validation failed/);
    expect(log.disposed).toEqual(['device']);
  });

  test('a native module that does not load is a failed check, not a crash', async () => {
    const modules = { engine: () => Promise.reject(new Error('cannot open shared object file')) };
    const { code, out } = await tilegrad(['doctor'], { modules });
    expect(code).toBe(1);
    expect(out).toMatch(/FAILED +adapter +cannot open shared object file/);
    expect(out).toContain('npm install webgpu@0.6');
  });
});

test.each([
  ['Debian 12', 'ID=debian\nVERSION_ID="12"\n', 'bookworm-backports'],
  ['Debian 13', 'ID=debian\nVERSION_ID="13"\n', 'apt-get install -y mesa-vulkan-drivers'],
  ['Ubuntu', 'VERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n', 'apt-get install -y mesa-vulkan-drivers'],
  [
    'a distribution derived from Ubuntu',
    'ID=linuxmint\nID_LIKE="ubuntu debian"\n',
    'apt-get install -y mesa-vulkan-drivers',
  ],
  ['another Linux', 'ID=fedora\nVERSION_ID=43\n', 'package manager'],
])('advice for %s', (name, osRelease, expected) => {
  const advice = adapterAdvice({ platform: 'linux', osRelease }).join('\n');
  expect(advice).toContain(expected);
  expect(advice).toContain('npx tilegrad setup');
  expect(advice.includes('bookworm')).toBe(name === 'Debian 12');
});

test('advice for macOS and Windows names no Linux package', () => {
  expect(adapterAdvice({ platform: 'darwin', osRelease: '' }).join()).toContain('Metal');
  expect(adapterAdvice({ platform: 'win32', osRelease: '' }).join()).toContain('Direct3D 12');
  for (const platform of ['darwin', 'win32']) {
    expect(adapterAdvice({ platform, osRelease: '' }).join()).not.toContain('apt-get');
  }
});
