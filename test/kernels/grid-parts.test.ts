import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { gridPartSource } from '../../src/gpu/cut-grid.ts';
import type { ProblemSizes } from '../../src/gpu/kernel-selection.ts';
import { Storage } from '../../src/gpu/storage.ts';
import { DeviceArray } from '../../src/kernels/array.ts';
import { conv2d } from '../../src/kernels/conv2d/conv2d.ts';
import { type Device, openDevice } from '../../src/node.ts';
import { supportedVariants, withVariantBenchmark } from '../../src/tuner/bench.ts';
import { type OperatorName, references } from '../reference/index.ts';
import { hostInputs, runOperator } from '../support/adapter.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawInputs, drawLike, drawnCases, FAST_CHECK_SEED, operatorCases } from '../support/operator-cases.ts';
import { shaderNames, shaderText } from '../support/shader-files.ts';

// A dispatch that would take too long runs as several dispatches, each with a part of its grid. All kernels must give the same bits.

/** Runs `body` with every dispatch in at least `pieces` parts, if it has as many workgroups. */
async function inParts<T>(device: Device, pieces: number, body: () => Promise<T>): Promise<T> {
  const { maxDispatchCost } = device.budget;
  device.budget.maxDispatchCost = 1e6 / (pieces - 0.5); // an empty dispatch costs 1e6
  try {
    return await body();
  } finally {
    device.budget.maxDispatchCost = maxDispatchCost;
  }
}

/** Kernels that cannot be cut: those that measure the adapter's ceilings, which set their own length, and probes of one workgroup. */
const WHOLE = ['copy_vec4', 'fma_chains', 'probe_lanes', 'probe_numbers'];

describe('gridPartSource of every kernel', () => {
  const texts = shaderNames.map((name) => ({ name, code: shaderText(name) }));
  const kernels = texts.filter(({ code }) => code.includes('fn main('));
  test.each(kernels)('$name can be cut, except the kernels that measure the adapter', ({ name, code }) => {
    const source = gridPartSource({ name, code }, 9);
    expect(source === null).toBe(WHOLE.includes(name));
    if (source) expect(code).not.toMatch(/global_invocation_id|grid_part|_in_part/);
  });
});

describeOnDevice('dispatches cut into parts', (device) => {
  const operators = Object.keys(references) as OperatorName[];
  test.each(operators)('%s and its gradients have the same bits', { timeout: 120_000 }, async (name) => {
    const cases = fc.sample(operatorCases('full')[name], { seed: FAST_CHECK_SEED, numRuns: drawnCases(4) });
    let [whole, cut] = [0, 0];
    for (const c of cases) {
      const inputs = hostInputs(c);
      const { shape } = references[name].forward(drawInputs(c), c.attrs);
      const run = async () => {
        const { dispatches } = device.counters;
        const result = await runOperator(device, name, inputs, c.attrs, drawLike(shape, c.seed).data);
        return { ...result, dispatches: device.counters.dispatches - dispatches };
      };
      const expected = await run();
      const actual = await inParts(device, 3, run);
      whole += expected.dispatches;
      cut += actual.dispatches;
      expectSameBits(actual.output, expected.output, `${name} forward`);
      actual.grads.forEach((grad, k) => {
        if (grad) expectSameBits(grad, expected.grads[k]!, `${name} gradient ${k}`);
      });
    }
    expect(cut).toBeGreaterThanOrEqual(whole);
  });

  const convolution = {
    ...{ batch: 5, height: 19, width: 20, channels: 32, outHeight: 19, outWidth: 20, outChannels: 36 },
    ...{ kernelHeight: 3, kernelWidth: 3, strideY: 1, strideX: 1, padY: 1, padX: 1, dilationY: 1, dilationX: 1 },
  };
  const narrow = { ...convolution, channels: 4, outChannels: 8 };
  const product = { m: 200, n: 132, k: 2100, transposeA: 0, transposeB: 0, batch: 2 };
  const problems: { operator: string; sizes: ProblemSizes; only?: string[] }[] = [
    ...['conv2d', 'conv2dInputGrad', 'conv2dWeightGrad'].flatMap((operator) => [
      { operator, sizes: convolution },
      { operator, sizes: narrow, only: ['directRows', 'patches'] },
    ]),
    ...['depthwiseConv2d', 'depthwiseInputGrad', 'depthwiseWeightGrad'].map((operator) => ({
      operator,
      sizes: { ...convolution, outChannels: 32, multiplier: 1 },
    })),
    { operator: 'matmul', sizes: product },
    { operator: 'matmul', sizes: { ...product, transposeA: 1, transposeB: 1 }, only: ['subgroup'] },
  ];
  test.for(problems)(
    '$operator has the same bits; variants: $only',
    { timeout: 120_000 },
    async (problem, { skip }) => {
      const variants = supportedVariants(device, problem).filter((one) => problem.only?.includes(one) ?? true);
      skip(variants.length === 0, 'this adapter has none of these variants, which need subgroups');
      const results = async () =>
        withVariantBenchmark(device, problem, async ({ result }) => {
          const { dispatches } = device.counters;
          const values: Float32Array[] = [];
          for (const variant of variants) values.push(await result(variant));
          return { values, dispatches: device.counters.dispatches - dispatches };
        });
      const whole = await results();
      const cut = await inParts(device, 5, results);
      expect(cut.dispatches).toBeGreaterThan(2 * whole.dispatches);
      for (const [i, variant] of variants.entries()) expectSameBits(cut.values[i]!, whole.values[i]!, variant);
    },
  );

  test('conv2d: 3 x 3 x 64 x 64 on 32 images of 224 x 224, 118 GFLOP, is cut to 250 ms of a slow GPU', async () => {
    using gpuDevice = await openDevice();
    const info = {
      ...gpuDevice.info,
      name: 'a card',
      vendor: 'nvidia',
      driver: '',
      architecture: '',
      isSoftware: false,
    };
    Object.assign(gpuDevice, { info });
    // Arrays of 411 MB, whose memory is not allocated.
    vi.spyOn(gpuDevice.gpu, 'createBindGroup').mockReturnValue({} as GPUBindGroup);
    const allocating = vi.spyOn(gpuDevice, 'allocate');
    allocating.mockImplementation((bytes) => new Storage({ size: bytes } as GPUBuffer, 0, bytes, null));
    const x = DeviceArray.empty(gpuDevice, [32, 224, 224, 64]);
    const filter = DeviceArray.empty(gpuDevice, [3, 3, 64, 64]);
    const program = gpuDevice.record(() => conv2d(x, filter, { padding: 'same' }).dispose());
    const flops = program.commands.map(({ info }) => info!.flops!);
    expect(program.kernels.every((name) => name === 'conv2d_gemm_tiled')).toBe(true);
    expect(flops.reduce((a, b) => a + b)).toBeCloseTo(2 * 32 * 224 ** 2 * 9 * 64 ** 2, -3);
    for (const n of flops) expect(n).toBeLessThanOrEqual(8e9);
    expect(flops.length).toBeLessThan(30);
    program.dispose();
    // With a measured rate of 600 GFLOP/s, the maximum is the work of 250 ms.
    gpuDevice.noteRate(120e9, 200);
    const faster = gpuDevice.record(() => conv2d(x, filter, { padding: 'same' }).dispose());
    expect(faster.dispatches).toBe(1);
    faster.dispose();
  });
});
