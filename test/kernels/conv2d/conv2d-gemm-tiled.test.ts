import { expect, test } from 'vitest';
import { conv2d, conv2dInputGrad, conv2dWeightGrad, convGeometry } from '../../../src/kernels/conv2d/conv2d.ts';
import { planProduct, productOf } from '../../../src/kernels/conv2d/conv2d-gemm-tiled.ts';
import {
  FORWARD,
  INPUT_GRAD,
  sampleSources,
  type TiledSource,
  tiledCode,
  WEIGHT_GRAD,
} from '../../../src/kernels/conv2d/conv2d-gemm-tiled-codegen.ts';
import { openDevice, scope, Tensor, tensor } from '../../../src/node.ts';
import { supportedVariants } from '../../../src/tuner/bench.ts';
import { type Conv2dAttrs, conv2d as conv2dReference } from '../../reference/conv2d.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike } from '../../support/operator-cases.ts';

test('tiles are as wide as the channels, and narrower if there are few of them', () => {
  const columns = (m: number, n: number) => planProduct(FORWARD, { m, n, k: 576 }, 1).columns;
  expect([1, 8, 9, 16, 17, 32].map((n) => columns(1e5, n))).toEqual([8, 8, 16, 16, 32, 32]);
  expect([33, 64, 96, 128].map((n) => columns(1e5, n))).toEqual([64, 64, 32, 64]);
  expect(columns(64 * 64, 64)).toBe(64);
  expect(columns(64 * 63, 64)).toBe(32);
});

test('the weight gradient is cut into slices of enough pixels, as many as fit into an array', () => {
  const plan = (m: number, k: number, maxSlices = 1000) => planProduct(WEIGHT_GRAD, { m, n: 64, k }, maxSlices);
  expect(plan(576, 8192)).toMatchObject({ slices: 32, sliceLength: 256, levels: 1 });
  expect(plan(576, 100)).toMatchObject({ slices: 1, sliceLength: 112 });
  expect(plan(576, 1e6)).toMatchObject({ slices: 32, levels: 2 });
  // With up to twice as many slices, sums need one level.
  expect(plan(576, 100_000)).toMatchObject({ slices: 49, sliceLength: 2048, levels: 1 });
  expect(plan(576, 8192, 3)).toMatchObject({ slices: 3 });
});

test('three levels of sums have narrow tiles, whose sums fit into registers', () => {
  for (const k of [2048, 2064, 262_144, 262_160]) {
    const { columns, levels } = planProduct(FORWARD, { m: 1e5, n: 64, k }, 1);
    expect([columns, levels]).toEqual(k <= 2048 ? [64, 1] : k <= 262_144 ? [64, 2] : [32, 3]);
  }
});

test('a row of taps without dilation is one tap with the channels of all', () => {
  const g = {
    ...{ batch: 2, input: [9, 9], inChannels: 3, output: [9, 9], outChannels: 8, kernel: [3, 5] },
    ...{ strides: [1, 1], pad: [1, 2], dilation: [1, 1] },
  } as Parameters<typeof productOf>[1];
  expect(productOf(FORWARD, g)).toMatchObject({ m: 162, n: 8, k: 48, taps: [3, 1], tapChannels: 15 });
  expect(productOf(WEIGHT_GRAD, g)).toMatchObject({ m: 48, n: 8, k: 162 });
  expect(productOf(INPUT_GRAD, g)).toMatchObject({ m: 162, n: 3, k: 240, taps: [3, 5], tapChannels: 8 });
  expect(productOf(FORWARD, { ...g, dilation: [1, 2] })).toMatchObject({ taps: [3, 5], tapChannels: 3, k: 240 });
});

/** The text of the loop over steps. */
function loopOf(code: string): string {
  const begin = code.indexOf('for (var step');
  return code.slice(begin, code.indexOf('buffer = 1u - buffer', begin));
}

test('nothing in the loop divides or branches around a load, except a tap that divides by the strides', () => {
  for (const operation of [FORWARD, WEIGHT_GRAD] as const) {
    for (const isVec4 of [true, false]) {
      const sizes: Omit<TiledSource, 'operation'> = {
        ...{ columns: 64, isLeftVec4: isVec4, isRightVec4: isVec4, isOutputVec4: isVec4 },
        ...{ hasStrides: false, levels: 1, unroll: true },
      };
      const loop = loopOf(tiledCode({ ...sizes, operation }));
      expect(loop).toContain('workgroupBarrier');
      expect(loop).not.toMatch(/[/]|if [^}]*(left|right)\[/);
    }
  }
});

test('the tiles of every kernel fit into 16 KiB and 256 invocations', () => {
  for (const columns of [8, 16, 32, 64] as const) {
    const sizes: TiledSource = {
      ...{ operation: FORWARD, columns, isLeftVec4: true, isRightVec4: true, isOutputVec4: true },
      ...{ hasStrides: false, levels: 1, unroll: false },
    };
    const code = tiledCode(sizes);
    expect(2 * 16 * Number(/array<array<vec4f, (\d+)>, 2>/.exec(code)![1])).toBeLessThanOrEqual(16_384);
    expect(Number(/workgroup_size\((\d+)\)/.exec(code)![1])).toBeLessThanOrEqual(256);
  }
  expect(sampleSources()).toHaveLength(3);
});

describeOnDevice('conv2d for graphics cards', (device) => {
  /** A device that passes for a graphics card. */
  const asCard = async () => {
    const card = await openDevice();
    const info = { ...card.info, name: 'a card', vendor: 'nvidia', driver: '', architecture: '', isSoftware: false };
    return Object.assign(card, { info, unrollsLoops: true });
  };

  // The kernels with loops written out, which no other test runs. Images of several rows and images in a tile, and widths that 16 does not divide.
  const cases: { input: number[]; filter: number[]; attrs: Conv2dAttrs }[] = [
    { input: [3, 7, 5, 20], filter: [2, 3, 20, 12], attrs: { padding: 'same' } },
    // One of the two numbers of channels is a multiple of four: only on a card, one factor is then loaded as vec4.
    { input: [2, 6, 7, 3], filter: [3, 3, 3, 8], attrs: { padding: 'same', dilation: [1, 2] } },
    { input: [2, 6, 7, 8], filter: [3, 2, 8, 3], attrs: { strides: [1, 2] } },
    { input: [2, 9, 11, 6], filter: [2, 3, 6, 7], attrs: { strides: [2, 3], padding: 'same', activation: 'relu' } },
  ];
  // SwiftShader compiles these kernels for minutes.
  test.skipIf(/swiftshader/i.test(`${device?.info.name} ${device?.info.driver}`)).each(cases)(
    'unrolled kernels compute the same: input $input, filter $filter',
    async ({ input, filter, attrs }) => {
      using card = await asCard();
      const upload = (values: ReturnType<typeof drawLike>) => tensor(card, values.data, values.shape).array;
      const [x, w, bias] = [
        drawLike(input, 1, 'integer'),
        drawLike(filter, 2, 'integer'),
        drawLike([filter[3]!], 3, 'integer'),
      ];
      const { activation, ...plain } = attrs;
      const y = conv2dReference.forward([x, w, bias], attrs);
      const dy = drawLike(y.shape, 4, 'integer');
      const [dx, dw] = conv2dReference.backward([x, w], conv2dReference.forward([x, w], plain), dy, plain);
      const results = scope(card, () => {
        const [left, weights, gradient] = [upload(x), upload(w), upload(dy)];
        const g = convGeometry(left, weights, plain);
        const options = { variant: 'gemmTiled' } as const;
        const epilogue = activation ? { name: 'relu' as const, p: 0 } : null;
        return [
          conv2d(left, weights, { ...plain, ...options, bias: upload(bias), activation: epilogue }),
          conv2dInputGrad(gradient, weights, g, options),
          conv2dWeightGrad(left, gradient, g, options),
        ].map((array) => new Tensor(array));
      });
      for (const [i, expected] of [y, dx!, dw!].entries()) {
        const found = Array.from(await results[i]!.data(), (value) => value + 0);
        expect(found).toEqual(Array.from(expected.data, (value) => value + 0));
      }
    },
  );

  test('the tuner tries variants that spill registers on CPUs only', async () => {
    using card = await asCard();
    const sizes = {
      ...{ batch: 2, height: 8, width: 8, channels: 8, outHeight: 8, outWidth: 8, outChannels: 8 },
      ...{ kernelHeight: 3, kernelWidth: 3, strideY: 1, strideX: 1, padY: 1, padX: 1, dilationY: 1, dilationX: 1 },
    };
    for (const operator of ['conv2d', 'conv2dInputGrad', 'conv2dWeightGrad']) {
      const [onCard, onCpu] = [card, device].map((one) => supportedVariants(one, { operator, sizes }));
      expect(onCard).toContain('gemmTiled');
      expect(onCard!.filter((one) => one === 'directRows' || one === 'winograd1d')).toEqual([]);
      if (device.subgroupLanes !== null) expect(onCpu).toContain('directRows');
      expect(onCpu!.filter((one) => one !== 'directRows' && one !== 'winograd1d')).toEqual(onCard);
    }
  });
});
