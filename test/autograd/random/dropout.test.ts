import { expect, test } from 'vitest';
import philoxCode from '../../../shaders/random/philox.wgsl';
import { philox } from '../../../src/base/random.ts';
import { DeviceArray } from '../../../src/kernels/array.ts';
import { StepState } from '../../../src/kernels/optimizers/step-state.ts';
import * as kernels from '../../../src/kernels/random/dropout.ts';
import { elementwiseWorkgroups, runKernel } from '../../../src/kernels/run.ts';
import * as tg from '../../../src/node.ts';
import { dropout, isKept } from '../../reference/dropout.ts';
import { ndarray } from '../../reference/ndarray.ts';
import { runOperator } from '../../support/adapter.ts';
import { expectClose, expectSameBits } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { random } from '../../support/random.ts';

const COUNT = 1000;

describeOnDevice('dropout', (device) => {
  test("dropout: the shader's Philox has the bits of the TypeScript implementation", async () => {
    const values = random(9);
    const extremes = [0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
    const word = (i: number) => (i < 100 ? extremes[values.integer(0, 6)]! : values.integer(0, 2 ** 32 - 1));
    const words = Array.from({ length: 6 * COUNT }, (_, i) => word(Math.floor(i / 6)));
    words.fill(0, 0, 6);
    words.fill(0xffffffff, 6, 12);
    using given = tg.tensor(device, words, [COUNT, 6], { dtype: 'u32' });
    const drawn = DeviceArray.empty(device, [COUNT, 4], { dtype: 'u32' });
    const code = `${philoxCode}
      @group(0) @binding(0) var<uniform> count: vec4u;
      @group(0) @binding(1) var<storage, read> given: array<u32>;
      @group(0) @binding(2) var<storage, read_write> drawn: array<vec4u>;
      @compute @workgroup_size(64)
      fn main(@builtin(global_invocation_id) id: vec3u) {
        let i = id.x;
        if (i >= count.x) { return; }
        let at = i * 6u;
        let counter = vec4u(given[at], given[at + 1u], given[at + 2u], given[at + 3u]);
        drawn[i] = philox(counter, vec2u(given[at + 4u], given[at + 5u]));
      }`;
    runKernel(
      device,
      { name: 'philox_test', code },
      [COUNT, 0, 0, 0],
      [given.array, drawn],
      elementwiseWorkgroups(COUNT),
    );
    const bits = await new tg.Tensor(drawn).data();
    const expected = Array.from({ length: COUNT }, (_, i) => {
      const [a, b, c, d, e, f] = words.slice(6 * i, 6 * i + 6) as [number, number, number, number, number, number];
      return philox([a, b, c, d], [e, f]);
    });
    expect(Array.from(bits)).toEqual(expected.flat());
    drawn.dispose();
  });

  const ones = (n: number) => ({ shape: [n], data: Array(n).fill(1) });
  const draw = { rate: 0.5, seed: 3, layer: 1, step: 2 };

  test('dropout: drops about the given share, and keeps the mean', async () => {
    const n = 40_000;
    for (const rate of [0.1, 0.5, 0.9]) {
      const { output } = await runOperator(device, 'dropout', [ones(n)], { ...draw, rate }, ones(n).data);
      const zeros = Array.from(output).filter((y) => y === 0).length;
      const deviation = Math.sqrt(n * rate * (1 - rate));
      expect(Math.abs(zeros - n * rate)).toBeLessThan(4 * deviation);
      expect(new Set(output as Float32Array)).toEqual(new Set([0, Math.fround(1 / (1 - rate))]));
    }
  });

  test('dropout: only kept elements get a gradient', async () => {
    const { output, grads } = await runOperator(device, 'dropout', [ones(1001)], draw, ones(1001).data);
    expectSameBits(grads[0]!, output);
  });

  test('dropout: another seed, layer or step drops other elements', async () => {
    const masks = [];
    for (const other of [{}, { seed: 4 }, { seed: 3 + 2 ** 32 }, { layer: 2 }, { step: 3 }]) {
      const { output } = await runOperator(device, 'dropout', [ones(64)], { ...draw, ...other }, ones(64).data);
      masks.push(Array.from(output).join());
    }
    expect(new Set(masks).size).toBe(masks.length);
  });

  test('dropout: rate 0 keeps everything', async () => {
    const x = { shape: [5], data: [1, -2, 0, 3.3, 1e30].map(Math.fround) };
    const { output } = await runOperator(device, 'dropout', [x], { rate: 0 }, ones(5).data);
    expectSameBits(output, x.data);
  });

  // The second seed's low word carries into the high one.
  test.each([3, 2 ** 32 - 2])('dropout: replica r draws as a single model with seed + r; seed %i', async (seed) => {
    const n = 103; // no multiple of the four elements that share a draw
    for (const models of [1, 2, 4]) {
      const x = Array(models * n).fill(1);
      const options = { ...draw, seed };
      const { output, grads } = await runOperator(device, 'dropout', [{ shape: [n], data: x }], options, x, models);
      const expected = x.map((_, i) => (isKept(i % n, { ...draw, seed: seed + Math.floor(i / n) }) ? 2 : 0));
      expectSameBits(output, expected);
      expectSameBits(grads[0]!, expected);
    }
    const [first, second] = [0, 1].map((r) =>
      Array.from({ length: n }, (_, i) => isKept(i, { ...draw, seed: seed + r })),
    );
    expect(first).not.toEqual(second);
  });

  // The second seed's low word is all ones; a rate of 0 keeps everything.
  test('dropout: lists give each replica its seed and rate', async () => {
    const n = 103;
    const seeds = [7, 2 ** 33 - 1, 7, 2 ** 52];
    const rates = [0.5, 0.1, 0, 0.9];
    const values = random(5);
    const x = Array.from({ length: 4 * n }, () => Math.fround(values.normal()));
    const dy = Array.from({ length: 4 * n }, () => Math.fround(values.normal()));
    for (const [seed, rate] of [
      [seeds, rates],
      [seeds, 0.5],
      [3, rates],
    ] as const) {
      const options = { ...draw, seed, rate };
      const { output, grads } = await runOperator(device, 'dropout', [{ shape: [n], data: x }], options, dy, 4);
      for (let r = 0; r < 4; r++) {
        const replicaAttrs = {
          ...draw,
          seed: typeof seed === 'number' ? seed + r : seed[r]!,
          rate: typeof rate === 'number' ? rate : rate[r]!,
        };
        const [from, to] = [r * n, (r + 1) * n];
        const attrs = [{ shape: [n], data: x.slice(from, to) }] as const;
        const alone = await runOperator(device, 'dropout', [...attrs], replicaAttrs, dy.slice(from, to));
        const [y, dx] = [output, grads[0]!].map((all) => Array.from(all).slice(from, to));
        expectSameBits(y!, alone.output, `model ${r}`);
        expectSameBits(dx!, alone.grads[0]!, `gradient of model ${r}`);
        const a = ndarray([n], Float64Array.from(x.slice(from, to)));
        const reference = dropout.forward([a], replicaAttrs);
        expectClose(y!, reference.data, { rtol: 1e-6, atol: 0 }, `model ${r}`);
        const dout = ndarray([n], Float64Array.from(dy.slice(from, to)));
        const [expected] = dropout.backward([a], reference, dout, replicaAttrs);
        expectClose(dx!, expected!.data, { rtol: 1e-6, atol: 0 }, `gradient of model ${r}`);
      }
    }
  });

  test('dropout: replicas with one rate and consecutive seeds use the kernel of a single model', () => {
    using x = tg.tensor(device, [1, 2, 3], [1], { models: 3 });
    const kernelOf = (options: tg.DropoutOptions) => {
      const program = device.record(() => void tg.dropout(x, options));
      const { kernels } = program;
      program.dispose();
      return kernels;
    };
    expect(kernelOf({ rate: 0.5, seed: [4, 5, 6] })).toEqual(['dropout']);
    expect(kernelOf({ rate: 0.5, seed: [4, 5, 7] })).toEqual(['dropout_per_replica']);
    expect(kernelOf({ rate: [0.5, 0.1, 0.2], seed: 4 })).toEqual(['dropout_per_replica']);
  });

  test('dropout: a rate of 0 in a list changes no bit', async () => {
    const data = [1e-40, -0, 0, -3, Number.POSITIVE_INFINITY].map(Math.fround);
    const x = { shape: [5], data: [...data, ...data] };
    const { output } = await runOperator(device, 'dropout', [x], { ...draw, rate: [0, 0.5] }, x.data, 2);
    expectSameBits(Array.from(output).slice(0, 5), data);
  });

  test('dropout: throws ShapeError if a list has not one entry for each replica', () => {
    using x = tg.tensor(device, [1, 2], [1], { models: 2 });
    expect(() => tg.dropout(x, { rate: [0.5, 0.1, 0.2] })).toThrow(tg.ShapeError);
    expect(() => tg.dropout(x, { rate: [0.5, 0.1, 0.2] })).toThrow(/3 rates .* the input has 2/);
    expect(() => tg.dropout(x, { rate: 0.5, seed: [1, 5, 9] })).toThrow(/3 seeds .* the input has 2/);
  });

  test('dropout: a recorded step draws new numbers in every run, by the step number in its uniform', async () => {
    const n = 100;
    const state = new StepState(device);
    const x = tg.tensor(device, ones(n).data, [n], { requiresGrad: true });
    const y = DeviceArray.empty(device, [n]);
    const dx = DeviceArray.empty(device, [n]);
    state.write({ batchStart: 0, step: 7 });
    const program = device.record(() => {
      kernels.dropout(x.array, { ...draw, step: state }, { into: y });
      kernels.dropout(x.array, { ...draw, step: state }, { into: dx }); // as the backward pass does with dy
    });
    for (const step of [8, 9]) {
      state.write({ batchStart: 0, step });
      program.run();
      const expected = Array.from({ length: n }, (_, i) => (isKept(i, { ...draw, step }) ? 2 : 0));
      for (const array of [y, dx]) {
        const shared = new tg.Tensor(array.reshape([n]));
        expectSameBits(await shared.data(), expected, `step ${step}`);
        shared.dispose();
      }
    }
    program.dispose();
    for (const owned of [x, y, dx, state]) owned.dispose();
  });

  test('dropout: NaN and infinities become 0 if dropped, and stay if kept', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    const data = Array.from({ length: 64 }, (_, i) => (i % 2 ? nan : inf));
    const { output } = await runOperator(device, 'dropout', [{ shape: [64], data }], draw, ones(64).data);
    const expected = data.map((value, i) => (isKept(i, draw) ? value : 0));
    expectSameBits(output, expected);
  });

  test.each<[string, object, string[]]>([
    ['rate 1', { rate: 1 }, ['rate', '1']],
    ['a negative rate', { rate: -0.1 }, ['rate', '-0.1']],
    ['no rate', {}, ['rate', 'undefined']],
    ['NaN', { rate: Number.NaN }, ['rate', 'NaN']],
    ['a list with rate 1', { rate: [0.5, 1] }, ['rate', '[0.5,1]']],
    ['a list without rates', { rate: [] }, ['rate', '[]']],
    ['a list with a fractional seed', { rate: 0.5, seed: [1, 0.5] }, ['seed', '0.5']],
    ['a fractional seed', { rate: 0.5, seed: 1.5 }, ['seed', '1.5']],
    ['a negative layer', { rate: 0.5, layer: -1 }, ['layer', '-1']],
    ['an invalid step', { rate: 0.5, step: 'first' }, ['step', 'first']],
  ])('throws for %s', (_what, options, says) => {
    using x = tg.tensor(device, [1, 2], [2]);
    const call = () => tg.dropout(x, options as tg.DropoutOptions);
    expect(call).toThrow(tg.ArgumentError);
    for (const part of says) expect(call).toThrow(part);
  });

  test('dropout: throws ArgumentError for integers', () => {
    using x = tg.tensor(device, [1, 2], [2], { dtype: 'i32' });
    expect(() => tg.dropout(x, { rate: 0.5 })).toThrow(/dropout: .*i32/);
  });
});
