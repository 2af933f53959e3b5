import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lenet } from '../../experiments/lenet.ts';
import { ArgumentError, FileError, OutOfMemoryError } from '../../src/base/errors.ts';
import { tunables } from '../../src/kernels/tunables.ts';
import { loadTuning, openDevice, problemsOf, type Sequential, tune } from '../../src/node.ts';
import { type Problem, withVariantBenchmark } from '../../src/tuner/bench.ts';
import { choicesHash, TuningCache, type TuningIdentity } from '../../src/tuner/cache.ts';
import type { Tuned } from '../../src/tuner/session.ts';
import { clockResolution, toleranceOf, tuneOperator, type VariantBenchmark } from '../../src/tuner/tune.ts';
import { describeOnDevice } from '../support/device.ts';
import { replaceLimits } from '../support/limits.ts';

/** Simulated kernels that take `ms` milliseconds and compute 1, 2, 3, unless `wrong` has another result. */
function fakeBench(speeds: Record<string, number>, wrong: Record<string, number[]> = {}) {
  const timed: string[] = [];
  const bench: VariantBenchmark = {
    variants: Object.keys(speeds),
    tolerance: 0.01,
    result: async (variant) => Float32Array.from(wrong[variant] ?? [1, 2, 3]),
    async time(variant, times) {
      timed.push(variant);
      return times * speeds[variant]!;
    },
  };
  return { bench, timed };
}

const fine = { resolution: 0.001, seconds: 1 };

describe('tuner', () => {
  test('selects the fastest, and reports the times of all', async () => {
    const { bench } = fakeBench({ naive: 9, subgroup: 2, workgroup: 3 });
    expect(await tuneOperator(bench, fine)).toEqual({
      variant: 'subgroup',
      ms: { naive: 9, subgroup: 2, workgroup: 3 },
      rejected: [],
    });
  });

  test('selects the reference if nothing is faster', async () => {
    const { bench } = fakeBench({ naive: 1, subgroup: 1.5 });
    expect((await tuneOperator(bench, fine)).variant).toBe('naive');
  });

  test.each([
    ['a wrong value', [1, 2.02, 3], /element 1 is 2\.0\d+ instead of 2/],
    ['NaN', [1, Number.NaN, 3], /element 1 is NaN instead of 2/],
    ['too few values', [1, 2], /2 values instead of 3/],
  ])('never selects a kernel that gives %s, however fast, and does not time it', async (_what, values, says) => {
    const { bench, timed } = fakeBench({ naive: 9, wrong: 0.1, right: 2 }, { wrong: values });
    const { variant, rejected, ms } = await tuneOperator(bench, fine);
    expect(variant).toBe('right');
    expect(rejected).toEqual([{ variant: 'wrong', reason: expect.stringMatching(says) }]);
    expect(Object.keys(ms)).toEqual(['naive', 'right']);
    expect(timed).not.toContain('wrong');
  });

  test('a kernel that does not compile is rejected with the reason; the others are measured', async () => {
    const { bench } = fakeBench({ naive: 9, right: 2 });
    const rejected = [{ variant: 'large', reason: 'no room' }];
    expect(await tuneOperator({ ...bench, rejected }, fine)).toMatchObject({ variant: 'right', rejected });
  });

  test('a result within the tolerance counts as the same', async () => {
    const { bench } = fakeBench({ naive: 9, other: 1 }, { other: [1.009, 2, 3] });
    expect((await tuneOperator(bench, fine)).variant).toBe('other');
  });

  test('nothing is timed if only the reference is left', async () => {
    const { bench, timed } = fakeBench({ naive: 9, wrong: 1 }, { wrong: [0, 0, 0] });
    expect(await tuneOperator(bench, fine)).toMatchObject({ variant: 'naive', ms: {} });
    expect(timed).toEqual([]);
  });

  test('times similar variants in alternating order, and a much slower one only once', async () => {
    const { bench, timed } = fakeBench({ naive: 50, a: 1, b: 1.5 });
    await tuneOperator(bench, fine);
    expect(timed).toEqual(['naive', 'a', 'b', 'a', 'b', 'b', 'a', 'a', 'b', 'b', 'a', 'a', 'b']);
  });

  test('a coarse clock needs longer measurements', async () => {
    const { bench } = fakeBench({ naive: 1, other: 0.5 });
    const looks: number[] = [];
    const { time } = bench;
    bench.time = async (variant, times) => {
      looks.push(await time(variant, times));
      return looks.at(-1)!;
    };
    await tuneOperator(bench, { resolution: 1, seconds: 1 });
    // Twenty ticks give an accuracy of 5%; the earlier runs find how many are needed.
    expect(looks.slice(-10).every((ms) => ms >= 20)).toBe(true);
  });

  test('throws ArgumentError if the clock is too coarse for `seconds`', async () => {
    const { bench } = fakeBench({ naive: 1, other: 0.5 });
    const error = await tuneOperator(bench, { resolution: 16, seconds: 1 }).catch((error) => error);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toContain('resolution is 16 ms');
    expect(error.message).toContain('give more seconds');
  });

  test('the resolution of a clock is its smallest step', () => {
    let looks = 0;
    expect(clockResolution(() => Math.floor(looks++ / 7) * 0.25)).toBe(0.25);
    expect(() => clockResolution(() => 5)).toThrow(ArgumentError);
  });

  test('a missing product is detected in the longest of sums', () => {
    // Values are in -1 .. 1: the root mean square of a product is 1/3.
    expect(toleranceOf(1)).toBeLessThan(1e-5);
    expect(toleranceOf(1e6)).toBeLessThan(1 / 3);
  });
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tilegrad-tuning-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const identity: TuningIdentity = {
  name: 'card',
  vendor: 'maker',
  architecture: 'new',
  driver: '1.2',
  tilegrad: '0.1.0',
};
const tunedEntry = (key: string, variant: string, operator = 'matmul'): Tuned => ({
  ...{ key, operator, variant, sizes: { m: 8 }, shapes: '', ms: { naive: 2, [variant]: 1 } },
  rejected: [{ variant: 'other', reason: 'wrong' }],
});

describe('tuning cache', () => {
  const shaders = { matmul: 'aaaa', conv2d: 'bbbb' };
  function open(who = identity, texts: Record<string, string> = shaders) {
    const warnings: string[] = [];
    const cache = new TuningCache(folder, who, (message) => warnings.push(message), texts);
    return { cache, warnings, choices: Object.fromEntries(cache.choices()) };
  }

  test('returns the measurements; later ones replace earlier ones', () => {
    expect(open().choices).toEqual({});
    open().cache.save([tunedEntry('matmul m=8', 'subgroup'), tunedEntry('conv2d m=8', 'naive', 'conv2d')]);
    open().cache.save([tunedEntry('matmul m=8', 'workgroup')]);
    const { choices, warnings } = open();
    expect(choices).toEqual({ 'matmul m=8': 'workgroup', 'conv2d m=8': 'naive' });
    expect(warnings).toEqual([]);
    expect(readdirSync(folder)).toHaveLength(1); // and no temporary file is left
  });

  test('two concurrent tunings save the entries of both, and the later one of an entry that both measured', () => {
    const [one, two] = [open().cache, open().cache];
    one.save([tunedEntry('matmul m=8', 'subgroup')]);
    two.save([tunedEntry('matmul m=9', 'workgroup'), tunedEntry('conv2d m=8', 'naive', 'conv2d')]);
    one.save([tunedEntry('conv2d m=8', 'winograd1d', 'conv2d')]);
    const all = { 'matmul m=8': 'subgroup', 'matmul m=9': 'workgroup', 'conv2d m=8': 'winograd1d' };
    expect(open().choices).toEqual(all);
    expect(Object.fromEntries(one.choices())).toEqual(all);
    expect(readdirSync(folder)).toHaveLength(1); // the lock is gone
  });

  test.each(['name', 'vendor', 'architecture', 'driver', 'tilegrad'] as const)(
    'another %s has a separate cache',
    (part) => {
      open().cache.save([tunedEntry('matmul m=8', 'subgroup')]);
      const other = { ...identity, [part]: 'another' };
      expect(open(other).choices).toEqual({});
      open(other).cache.save([tunedEntry('matmul m=8', 'workgroup')]);
      expect(open().choices).toEqual({ 'matmul m=8': 'subgroup' });
    },
  );

  test('a changed shader is measured again; the measurements of other operators are kept', () => {
    open().cache.save([tunedEntry('matmul m=8', 'subgroup'), tunedEntry('conv2d m=8', 'naive', 'conv2d')]);
    const changed = { ...shaders, matmul: 'cccc' };
    expect(open(identity, changed).choices).toEqual({ 'conv2d m=8': 'naive' });
    open(identity, changed).cache.save([]);
    expect(open().choices).toEqual({ 'conv2d m=8': 'naive' });
  });

  test.each<[string, (text: string) => string, RegExp]>([
    ['cut short', (text) => text.slice(0, 40), /JSON/],
    ['of something else', () => '{"schemaVersion": 2, "a": []}', /does not look like one/],
    ['of another adapter', (text) => text.replace('"maker"', '"thief"'), /another adapter/],
    ['with an invalid variant', (text) => text.replace('"subgroup"', '17'), /does not look like one/],
  ])('a file %s is ignored with one warning, and replaced by the next measurement', (_what, damage, says) => {
    open().cache.save([tunedEntry('matmul m=8', 'subgroup')]);
    const { path } = open().cache;
    writeFileSync(path, damage(readFileSync(path, 'utf8')));
    const { cache, choices, warnings } = open();
    expect(choices).toEqual({});
    expect(warnings).toEqual([expect.stringMatching(says)]);
    expect(warnings[0]).toContain(path);
    cache.save([tunedEntry('matmul m=9', 'subgroup')]);
    expect(open()).toMatchObject({ choices: { 'matmul m=9': 'subgroup' }, warnings: [] });
  });

  test('throws FileError if the folder cannot be created, but only if there is something to save', () => {
    writeFileSync(join(folder, 'file'), '');
    const cache = new TuningCache(join(folder, 'file'), identity, () => {}, shaders);
    expect(() => cache.save([tunedEntry('matmul m=8', 'subgroup')])).toThrow(FileError);
  });

  test('choicesHash: depends on the variants, not on their order', () => {
    const [a, b] = [
      ['a', 'naive'],
      ['b', 'naive'],
    ] as const;
    const hash = choicesHash([a, b]);
    expect(choicesHash([b, a])).toBe(hash);
    expect(choicesHash(new Map([b, a]))).toBe(hash);
    expect(choicesHash([a, ['b', 'subgroup']])).not.toBe(hash);
    expect(choicesHash([a])).not.toBe(hash);
  });
});

describeOnDevice('on an adapter', () => {
  const small: Problem[] = [
    { operator: 'matmul', sizes: { m: 16, n: 8, k: 12, transposeA: 0, transposeB: 1, batch: 1 } },
    { operator: 'matmul', sizes: { m: 8, n: 8, k: 8, transposeA: 1, transposeB: 0, batch: 2 } },
  ];
  const convolution = {
    ...{ batch: 2, height: 9, width: 10, channels: 3, outHeight: 9, outWidth: 10, outChannels: 4 },
    ...{ kernelHeight: 3, kernelWidth: 3, strideY: 1, strideX: 1, padY: 1, padX: 1, dilationY: 1, dilationX: 1 },
  };
  const problems = [
    ...small,
    ...['conv2d', 'conv2dInputGrad', 'conv2dWeightGrad'].map((operator) => ({ operator, sizes: convolution })),
    ...['depthwiseConv2d', 'depthwiseInputGrad', 'depthwiseWeightGrad'].map((operator) => ({
      operator,
      sizes: { ...convolution, channels: 8, outChannels: 8, multiplier: 1 },
    })),
    ...['reduceSum', 'reduceExtreme'].map((operator) => ({ operator, sizes: { outer: 3, rows: 68, channels: 1 } })),
    ...['softmax', 'softmaxGrad', 'logSoftmax', 'logSoftmaxGrad', 'softmaxCrossEntropy'].map((operator) => ({
      operator,
      sizes: { rows: 9, classes: 33, inner: 1 },
    })),
    ...['batchNormMoments', 'batchNormGradSums'].map((operator) => ({ operator, sizes: { rows: 70, channels: 6 } })),
  ];

  test('every variant of every operator passes its check; choices are saved, loaded and used', async () => {
    expect(new Set(problems.map(({ operator }) => operator))).toEqual(new Set(Object.keys(tunables)));
    using device = await openDevice();
    const seen: string[] = [];
    const results = await tune(device, [...problems, problems[0]!], {
      ...{ folder, seconds: 120 }, // enough seconds for compilation, so that none is left out
      onTuned: ({ key }, { done, total }) => seen.push(`${done}/${total} ${key}`),
    });
    for (const { variant, ms, rejected } of results) {
      expect(rejected).toEqual([]);
      expect(ms[variant]).toBe(Math.min(...Object.values(ms)));
    }
    expect(seen).toHaveLength(results.length);
    expect(results).toHaveLength(problems.length);

    using another = await openDevice();
    const { measured, path, rulesMeasured } = await loadTuning(another, { folder });
    expect({ measured, rulesMeasured }).toEqual({
      measured: results.length,
      rulesMeasured: another.info.name === 'llvmpipe',
    });
    expect(readdirSync(folder).map((name) => join(folder, name))).toEqual([path]);
    expect(Object.fromEntries(another.choices.tuned)).toEqual(
      Object.fromEntries(results.map(({ key, variant }) => [key, variant])),
    );
  });

  // The arrays of this gradient are 33 and 37 KB; 70 KB can hold only one of its partial sums.
  const partialSums = {
    ...{ batch: 1, height: 6, width: 43, channels: 32, outHeight: 6, outWidth: 43, outChannels: 32 },
    ...{ kernelHeight: 3, kernelWidth: 3, strideY: 1, strideX: 1, padY: 1, padX: 1, dilationY: 1, dilationX: 1 },
  };

  test('variants use less scratch memory if the adapter cannot bind more', async () => {
    using device = await openDevice();
    using _ = replaceLimits(device, { maxStorageBufferBindingSize: 70_000 });
    const problem = { operator: 'conv2dWeightGrad', sizes: partialSums };
    const { variants, rejected } = await withVariantBenchmark(device, problem, async (bench) => bench);
    expect(variants[0]).toBe('naive');
    expect(variants).toContain('gemmTiled');
    expect(rejected).toEqual([]);
  });

  test("if an operator's arrays are too large, those created so far are released", async () => {
    using device = await openDevice();
    using _ = replaceLimits(device, { maxStorageBufferBindingSize: 70_000 });
    const problem = { operator: 'conv2d', sizes: { ...partialSums, outChannels: 256 } }; // the filter is
    const fails = () => expect(withVariantBenchmark(device, problem, async () => {})).rejects.toThrow(OutOfMemoryError);
    await fails();
    const { bytesAllocated } = device.counters;
    expect(bytesAllocated).toBeGreaterThan(0);
    await fails(); // with the same buffers
    expect(device.counters.bytesAllocated).toBe(bytesAllocated);
  });

  test('problemsOf: finds the problems by recording a step, and leaves the device unchanged', async () => {
    using device = await openDevice();
    const model = lenet().createModel() as Sequential;
    model.build(device).compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    const before = device.counters.bytesAllocated;
    const problems = problemsOf(model, 4);
    const count = (operator: string) => problems.filter((problem) => problem.operator === operator).length;
    expect(['conv2d', 'conv2dInputGrad', 'conv2dWeightGrad', 'matmul'].map(count)).toEqual([2, 1, 2, 9]);
    expect(problems[0]).toMatchObject({ sizes: { batch: 4, outChannels: 6 } }); // the longest computation first
    expect(device.counters.bytesAllocated - before).toBeLessThan(2 ** 20); // the optimizer's state
    model.dispose();
  });

  test('an abort ends tuning after the current problem', async () => {
    using device = await openDevice();
    const abort = new AbortController();
    const options = { folder, signal: abort.signal, onTuned: () => abort.abort() };
    const results = await tune(device, problems, options);
    expect(results.length).toBeLessThanOrEqual(1);
  });
});
