import { expect, test } from 'vitest';
import type { Choice, Device } from '../../src/node.ts';
import { DEFAULTS, type Settings } from '../../web/src/settings.ts';
import {
  compareWithReference,
  type Kernel,
  type KernelTable,
  measureKernels,
  REFERENCE,
  roofline,
  STEPS,
  TOLERANCE,
} from '../../web/src/worker/kernels.ts';
import { Session } from '../../web/src/worker/session.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

/** Fixed, so that no test measures them. */
const options = { seconds: 0.01, ceilings: { fmaGflops: 100, copyGBs: 10 } };
const mlp: Settings = { ...DEFAULTS, network: 'mlp', layers: [12], batch: 16 };
const images = drawImages(64, { shape: [28, 28, 1] });

const all = ({ layers }: KernelTable): Kernel[] => layers.flatMap(({ forward, backward }) => [...forward, ...backward]);

describeOnDevice('kernels of a network during training', (device) => {
  /** A paused training of some steps. */
  async function openSession(settings: Settings, steps: number): Promise<Session> {
    const session = new Session(
      device,
      settings,
      { train: images, test: images },
      {
        onChange() {},
        async onCheckpoint() {},
        onFailure(error: unknown) {
          throw error;
        },
      },
    );
    for (let i = 0; i < steps; i++) await session.takeStep();
    return session;
  }

  test('LeNet-5: every layer has its forward and backward kernels, and every dispatch of the step is there once', async () => {
    const session = await openSession({ ...DEFAULTS, batch: 8 }, 0);
    const table = await measureKernels(session, options);
    expect(table.layers.map(({ layer }) => layer)).toEqual([
      ...['conv2d', 'max_pooling2d', 'conv2d_1', 'max_pooling2d_1', 'flatten', 'dense', 'dense_1', 'dense_2', null],
    ]);
    const of = (layer: string | null) => table.layers.find((row) => row.layer === layer)!;
    const operators = (kernels: Kernel[]) => [...new Set(kernels.map(({ choices }) => choices[0]?.operator))];
    expect(operators(of('conv2d_1').forward)).toEqual(['conv2d']);
    expect(operators(of('conv2d_1').backward)).toEqual(['conv2dWeightGrad', 'conv2dInputGrad']);
    expect(of('flatten')).toEqual({ layer: 'flatten', forward: [], backward: [] });
    expect(operators(of('dense').forward)).toEqual(['matmul']);
    expect(of(null).forward.map(({ name }) => name)).toEqual(expect.arrayContaining(['adam', 'softmax_cross_entropy']));
    expect(all(table).reduce((sum, { dispatches }) => sum + dispatches, 0)).toBe(table.dispatches);
    // FLOP of the layer's convolution: 2 N OH OW Co KH KW Ci.
    const [forward] = of('conv2d_1').forward.filter(({ flops }) => flops > 0);
    expect(forward!.flops).toBe(2 * 8 * 10 * 10 * 16 * 5 * 5 * 6);
    await session.dispose();
  });

  test('a kernel has its source, which begins with what it computes, its share of the ceiling and its bytes', async () => {
    const session = await openSession(mlp, 0);
    const table = await measureKernels(session, options);
    expect(table.ceilings).toEqual(options.ceilings);
    for (const { wgsl, ms, flops, bytes, share, dispatches } of all(table)) {
      expect(wgsl).toMatch(/^\/\/ \w[\s\S]*@compute/m);
      expect(dispatches).toBeGreaterThan(0);
      expect(bytes).toBeGreaterThan(0);
      const ceilingMs = Math.max(flops / 100e6, bytes / 10e6);
      if (ms > 0) expect(share).toBeCloseTo(ceilingMs / ms, 9);
    }
    const [product] = table.layers.find(({ layer }) => layer === 'dense')!.forward;
    expect(product!.flops).toBe(2 * 16 * 784 * 12);
    expect(product!.choices[0]).toMatchObject({ operator: 'matmul', sizes: { m: 16, k: 784, n: 12 } });
    expect(product!.shapes).toMatch(/\[16,784\] \[784,12\]/);
    expect(product!.wgsl).toContain('matmul: c[m, n]');
    await session.dispose();
  });

  test('measuring and comparing do not change the bits of the training, or the choices', async () => {
    const settings: Settings = { ...mlp, penalty: 'l2', replicas: 2 };
    const train = async (isMeasured: boolean) => {
      device.choices.used.clear();
      const session = await openSession(settings, 3);
      const usedBefore = [...device.choices.used];
      if (isMeasured) {
        const table = await measureKernels(session, options);
        await compareWithReference(session, choicesOf(table, 'dense')[0]!, options);
        expect([...device.choices.used]).toEqual(usedBefore);
        expect([...device.choices.tuned]).toEqual([]);
      }
      for (let i = 0; i < 3; i++) await session.takeStep();
      const weights = await session.model.parameters.read();
      await session.dispose();
      return weights.map((values) => [...values]);
    };
    expect(await train(true)).toEqual(await train(false));
  });

  const choicesOf = ({ layers }: KernelTable, layer: string): Choice[] => {
    const { forward, backward } = layers.find((row) => row.layer === layer)!;
    return [...forward, ...backward].flatMap(({ choices }) => choices.slice(0, 1));
  };

  test('the reference in place of a variant gives equal losses; in place of itself the same bits', async () => {
    const session = await openSession(mlp, 2);
    const table = await measureKernels(session, options);
    const choices = choicesOf(table, 'dense');
    expect(choices.length).toBeGreaterThan(1); // forward, and the gradient of the weights
    for (const choice of choices) {
      const { variants, isEqual, difference, gradientDifference } = await compareWithReference(
        session,
        choice,
        options,
      );
      expect(variants.map(({ variant }) => variant)).toEqual([choice.variant, REFERENCE]);
      expect(variants[1]!.kernels).toContain('matmul');
      expect(variants[0]!.kernels).not.toEqual(variants[1]!.kernels);
      for (const { losses, ms, stepMs } of variants) {
        expect(losses.length).toBe(STEPS);
        expect(losses[STEPS - 1]![0]).toBeLessThan(losses[0]![0]!); // it trains
        expect(ms).toBeGreaterThan(0);
        expect(stepMs).toBeGreaterThan(0);
      }
      expect(isEqual).toBe(true);
      expect(difference).toBeLessThanOrEqual(TOLERANCE.loss);
      expect(gradientDifference).toBeLessThanOrEqual(TOLERANCE.gradient);
    }
    const itself = await compareWithReference(session, { ...choices[0]!, variant: REFERENCE }, options);
    expect(itself).toMatchObject({ sameBits: true, difference: 0, gradientDifference: 0, isEqual: true });
    await session.dispose();
  });

  test('a reference with other results is not reported as equal, even if Adam hides the difference', async () => {
    const session = await openSession(mlp, 2);
    const choices = choicesOf(await measureKernels(session, options), 'dense');
    const restore = withWrongReference(device);
    const compare = (transposeA: number) =>
      compareWithReference(session, choices.find(({ sizes }) => sizes.transposeA === transposeA)!, options);
    const [forward, gradient] = [await compare(0), await compare(1)];
    restore();
    expect(forward).toMatchObject({ isEqual: false, sameBits: false });
    expect(forward.difference).toBeGreaterThan(TOLERANCE.loss);
    // The gradient of one weight is 1% too large: a factor that Adam divides away.
    const [chosen, reference] = gradient.variants.map(({ losses }) => losses);
    expect(reference![0]).toEqual(chosen![0]); // before the first step, no gradient counts
    expect(gradient.difference).toBeLessThan(TOLERANCE.loss);
    expect(gradient.gradientDifference).toBeCloseTo(0.01, 3);
    expect(gradient).toMatchObject({ isEqual: false, sameBits: false });
    await session.dispose();
  });
});

/** Makes products of the reference 1% too large until the returned function is called. */
function withWrongReference(device: Device): () => void {
  const pipeline = device.pipeline.bind(device);
  device.pipeline = (source) => {
    if (source.name !== 'matmul') return pipeline(source);
    const code = source.code.replace('sum += part;', 'sum += 1.01 * part;');
    expect(code).not.toBe(source.code);
    return pipeline({ ...source, code });
  };
  return () => {
    device.pipeline = pipeline;
  };
}

test('roofline: the time of the ceiling that limits the kernel, as a share of the measured time', () => {
  const ceilings = { fmaGflops: 100, copyGBs: 10 };
  // 1e9 FLOP take 10 ms, 1e7 bytes 1 ms.
  expect(roofline({ ms: 40, flops: 1e9, bytes: 1e7 }, ceilings)).toEqual({ share: 0.25, ceiling: 'arithmetic' });
  expect(roofline({ ms: 40, flops: 1e6, bytes: 1e8 }, ceilings)).toEqual({ share: 0.25, ceiling: 'memory' });
  expect(roofline({ ms: 2, flops: 0, bytes: 1e7 }, ceilings)).toEqual({ share: 0.5, ceiling: 'memory' });
  expect(roofline({ ms: 0, flops: 0, bytes: 1e7 }, ceilings)).toEqual({ share: null, ceiling: 'memory' });
});
