import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { describeAdapter } from '../../src/gpu/info.ts';
import { withForcedVariant } from '../../src/gpu/kernel-selection.ts';
import { DeviceArray } from '../../src/kernels/array.ts';
import {
  type AdapterFamily,
  areRulesMeasured,
  chooseVariant,
  familyOf,
  orderFor,
  withVariant,
} from '../../src/kernels/choice.ts';
import { geometryOf, paddingOf, sizesOf } from '../../src/kernels/conv2d/conv-sizes.ts';
import { type ConvOptions, convGeometry, preferredConv2d } from '../../src/kernels/conv2d/conv2d.ts';
import * as directRowsCode from '../../src/kernels/conv2d/conv2d-direct-rows-codegen.ts';
import * as gemmTiledCode from '../../src/kernels/conv2d/conv2d-gemm-tiled-codegen.ts';
import * as winograd1dCode from '../../src/kernels/conv2d/conv2d-winograd1d-codegen.ts';
import { cooperativeGroupsFor } from '../../src/kernels/cooperative.ts';
import * as stripsCode from '../../src/kernels/depthwise/depthwise-strips-codegen.ts';
import { matmul as matmulArrays } from '../../src/kernels/matmul/matmul.ts';
import { preferredMatmul } from '../../src/kernels/matmul/matmul-variants.ts';
import { tunables } from '../../src/kernels/tunables.ts';
import { type Device, matmul, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { conv2dCase } from '../support/operator-cases.ts';
import { shaderText } from '../support/shader-files.ts';

/** An adapter as WebGPU describes it. */
const adapter = (vendor: string, device: string, description: string, architecture = '') =>
  describeAdapter({
    info: { vendor, architecture, device, description, isFallbackAdapter: false },
    limits: {},
    features: new Set(),
  } as unknown as GPUAdapter);

describe('adapter families', () => {
  test.each<[AdapterFamily, ReturnType<typeof adapter>]>([
    ['lavapipe', adapter('mesa', '', 'llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)', 'software')],
    ['swiftshader', adapter('google', '', 'SwiftShader: SwiftShader driver-5.0.0', 'swiftshader')],
    ['software', adapter('microsoft', 'Microsoft Basic Render Driver', 'D3D12 driver', 'warp')],
    ['nvidia', adapter('nvidia', 'NVIDIA H200', 'NVIDIA: 570.86', 'hopper')],
    ['amd', adapter('amd', 'AMD Radeon RX 7900', 'radv: Mesa 25.0.7', 'rdna-3')],
    ['intel', adapter('intel', 'Intel(R) Arc(tm) A770', 'Intel open-source Mesa driver', 'xe-hpg')],
    ['apple', adapter('apple', 'Apple M3', 'Metal driver on macOS', 'metal-3')],
    ['qualcomm', adapter('qualcomm', 'Adreno (TM) 740', '')],
    ['arm', adapter('arm', 'Mali-G715', '', 'valhall')],
    ['other', adapter('', '', '')],
  ])('%s', (family, info) => {
    expect(familyOf(info)).toBe(family);
    expect(areRulesMeasured(info)).toBe(family === 'lavapipe');
  });

  test('a GPU prefers the kernel with workgroup memory, a CPU uses it last', () => {
    for (const inWorkgroups of ['workgroup', 'gemmTiled']) {
      const variants = ['subgroup', inWorkgroups, 'gemm'];
      expect(orderFor('nvidia', variants)).toEqual([inWorkgroups, 'subgroup', 'gemm']);
      expect(orderFor('lavapipe', variants)).toEqual(['subgroup', 'gemm', inWorkgroups]);
    }
    expect(orderFor('other', [])).toEqual([]);
  });

  test("order of a convolution's variants for each kind of adapter", () => {
    const order = (info: ReturnType<typeof adapter>, kernelSize: number) => {
      const device = {
        info,
        subgroupLanes: 32,
        limits: { maxComputeWorkgroupsPerDimension: 65535 },
      } as unknown as Device;
      const same = { batch: 2, height: 8, width: 8, channels: 32, outHeight: 8, outWidth: 8, outChannels: 32 };
      const steps = { strideY: 1, strideX: 1, padY: 0, padX: 0, dilationY: 1, dilationX: 1 };
      const g = geometryOf({ ...same, ...steps, kernelHeight: kernelSize, kernelWidth: kernelSize });
      return orderFor(familyOf(info), preferredConv2d('weightGrad', device, g));
    };
    const [gpu, arm] = [adapter('nvidia', 'NVIDIA H200', ''), adapter('arm', 'Mali-G715', '')];
    const processor = adapter('mesa', '', 'llvmpipe', 'software');
    expect(order(gpu, 1)).toEqual(['matmul', 'gemmTiled', 'gemm', 'directVec4']);
    expect(order(gpu, 3)).toEqual(['gemmTiled', 'gemm', 'directVec4']);
    expect(order(arm, 1)).toEqual(['matmul', 'gemmTiled']);
    expect(order(arm, 3)).toEqual(['gemmTiled']);
    expect(order(processor, 1)).toEqual(['matmul']);
    expect(order(processor, 3)).toEqual(['gemm', 'directVec4']);
  });

  test('cooperative groups: by the length of rows on a GPU, none on a CPU', () => {
    const on = (isSoftware: boolean) => ({ info: { isSoftware } }) as Device;
    const groups = [8, 16, 511, 512].map((length) => cooperativeGroupsFor(on(false), length));
    expect(groups).toEqual([[], ['subgroup'], ['subgroup'], ['workgroup', 'subgroup']]);
    expect(cooperativeGroupsFor(on(true), 10_000)).toEqual([]);
  });
});

describe('preferredMatmul', () => {
  const on = (isSoftware: boolean, subgroupLanes: number | null) => ({ info: { isSoftware }, subgroupLanes }) as Device;
  const tiles = ['subgroup', 'workgroup'];

  test.each([
    ['few multiply-adds', { m: 32, n: 64, k: 784 }, []],
    ['half of the multiply-adds from which tiles are faster', { m: 64, n: 64, k: 1024 }, []],
    ['as many as that', { m: 64, n: 64, k: 2048 }, tiles],
    ['tiles of 64 columns, of which 10 are used', { m: 1024, n: 10, k: 4096 }, []],
    ['a dense layer of LeNet at batch 256', { m: 256, n: 120, k: 400 }, tiles],
  ])('a CPU without subgroups: %s', (_, sizes, expected) => {
    expect(preferredMatmul(on(true, null), sizes)).toEqual(expected);
  });

  test.each([
    ['too few terms', { m: 1024, n: 1024, k: 32 }, []],
    ['too few tiles', { m: 512, n: 512, k: 1024 }, []],
    ['many tiles of 64', { m: 1024, n: 1024, k: 1024 }, ['blocks64']],
    ['many tiles of a batch', { m: 256, n: 256, k: 64, batch: 16 }, ['blocks64']],
    ['many tiles of 128', { m: 2048, n: 2048, k: 1024 }, ['blocks128', 'blocks64']],
    ['tiles of 128 that would be half empty', { m: 65_536, n: 64, k: 1024 }, ['blocks64']],
  ] as const)('a GPU uses blocks for large products, a CPU never: %s', (_, sizes, blocks) => {
    expect(preferredMatmul(on(false, 32), sizes)).toEqual([...blocks, ...tiles]);
    expect(orderFor('nvidia', preferredMatmul(on(false, 32), sizes))).toEqual([...blocks, 'workgroup', 'subgroup']);
    expect(preferredMatmul(on(true, 8), sizes)).toEqual(tiles);
  });

  test('a CPU with subgroups and a GPU use tiles from two rows on', () => {
    for (const device of [on(true, 8), on(false, 32), on(false, null)]) {
      expect(preferredMatmul(device, { m: 2, n: 2, k: 2 })).toEqual(tiles);
      expect(preferredMatmul(device, { m: 1, n: 8, k: 8 })).toEqual([]);
    }
  });
});

describeOnDevice('choosing a kernel variant', (device) => {
  const key = 'matmul m=4 n=8 k=12 transposeA=0 transposeB=0 batch=1';
  afterEach(() => {
    device.choices.tuned.clear();
    device.choices.used.clear();
  });

  /** The kernel that multiplies [4,12] by [12,8]. */
  function kernel(): string {
    const zeros = (rows: number, columns: number) => tensor(device, new Float32Array(rows * columns), [rows, columns]);
    using a = zeros(4, 12);
    using b = zeros(12, 8);
    const program = device.record(() => void matmul(a, b));
    const [name] = program.kernels;
    program.dispose();
    return name!;
  }

  test('uses the measured variant if there is one, and records it', () => {
    device.choices.tuned.set(key, 'naive');
    expect(kernel()).toBe('matmul');
    expect([...device.choices.used.keys()]).toEqual([key]);
    expect(device.choices.used.get(key)).toMatchObject({
      operator: 'matmul',
      variant: 'naive',
      sizes: { m: 4, k: 12 },
    });
  });

  test('uses the rule if nothing was measured, or if the measured variant no longer exists', () => {
    const byRule = kernel();
    device.choices.tuned.set(key, 'of an older version');
    expect(kernel()).toBe(byRule);
    device.choices.tuned.clear();
    device.choices.tuned.set(key.replace('m=4', 'm=5'), 'naive');
    expect(kernel()).toBe(byRule);
  });

  test('a forced variant is used once, then the rule or the measurement again', () => {
    const byRule = kernel();
    const sizes = { m: 4, n: 8, k: 12, transposeA: 0, transposeB: 0, batch: 1 };
    // The rule chooses `subgroup`, or the reference on an adapter without subgroups.
    const tiled = { operator: 'matmul', sizes, variant: 'workgroup' };
    const naive = { operator: 'matmul', sizes, variant: 'naive' };
    const usedBefore = [...device.choices.used];
    expect(withForcedVariant(device.choices, tiled, kernel)).toBe('matmul_workgroup');
    expect(byRule).not.toBe('matmul_workgroup');
    expect([...device.choices.used]).toEqual(usedBefore);
    expect(kernel()).toBe(byRule);
    const failing = () => {
      throw new RangeError('while it was forced');
    };
    device.choices.tuned.set(key, 'workgroup');
    expect(() => withForcedVariant(device.choices, naive, failing)).toThrow(/while it was forced/);
    expect(kernel()).toBe('matmul_workgroup');
  });

  test('chooseVariant: takes the first preferred variant that supports the sizes, else the reference', () => {
    const choose = (preferred: string[], requested?: string) =>
      chooseVariant(
        device,
        'test',
        { m: 1 },
        {
          ...{ variants: ['naive', 'a', 'b', 'c'], preferred, requested },
          supports: (variant) => variant !== 'a',
        },
      );
    expect(choose(['a', 'c', 'b'])).toBe('c');
    expect(choose(['a'])).toBe('naive');
    device.choices.tuned.set('test m=1', 'b');
    expect(choose(['c'])).toBe('b');
    expect(choose(['c'], 'naive')).toBe('naive');
    device.choices.tuned.set('test m=1', 'a');
    expect(choose(['c'])).toBe('c');
    expect(() => choose([], 'a')).toThrow(/test: the variant a does not support/);
  });

  test('withVariant: adds the choice to the origin of dispatches until its function ends or throws', () => {
    const options = { variants: ['naive', 'a'] as const, supports: () => true };
    const inner = withVariant(device, 'outer', { m: 1 }, options, () =>
      withVariant(device, 'inner', { n: 2 }, { ...options, requested: 'naive' }, () => device.origin.choices),
    );
    expect(inner).toEqual([
      { operator: 'outer', sizes: { m: 1 }, variant: 'a' },
      { operator: 'inner', sizes: { n: 2 }, variant: 'naive' },
    ]);
    const failing = () => {
      throw new RangeError('in the kernel');
    };
    expect(() => withVariant(device, 'outer', { m: 1 }, options, failing)).toThrow(/in the kernel/);
    expect(device.origin.choices).toEqual([]);
  });

  test('does not depend on the number of replicas', () => {
    const arrays = [
      [4, 12],
      [12, 8],
      [4, 8],
    ].map((shape) => DeviceArray.empty(device, shape, { replicas: 3 }));
    const [a, b, into] = arrays as [DeviceArray, DeviceArray, DeviceArray];
    const sizes = { m: 4, n: 8, k: 12, transposeA: 0, transposeB: 0, batch: 1 };
    tunables.matmul!.run('naive', sizes, [a, b], into);
    expect(device.choices.used.size).toBe(0); // a variant requested by name is not a choice
    device.record(() => void matmulArrays(a, b)).dispose();
    expect([...device.choices.used.keys()]).toEqual([key]);
    for (const array of arrays) array.dispose();
  });

  test("sizesOf: a convolution's sizes contain its whole geometry", () => {
    fc.assert(
      fc.property(conv2dCase('small'), ({ inputs, attrs }) => {
        const [x, filter] = inputs.map(({ shape }) => DeviceArray.empty(device, shape));
        const options = attrs as ConvOptions;
        const geometry = convGeometry(x!, filter!, options);
        expect(geometryOf(sizesOf(geometry))).toEqual(geometry);
        const again = convGeometry(x!, filter!, { ...options, padding: paddingOf(geometry) });
        expect(again).toEqual(geometry);
        x!.dispose();
        filter!.dispose();
      }),
      { numRuns: 100, seed: 7 },
    );
  });
});

test('generated kernels begin with what they compute and where the generator is', () => {
  const texts = [directRowsCode, gemmTiledCode, winograd1dCode, stripsCode].flatMap(({ sampleSources }) =>
    sampleSources(),
  );
  expect(texts.length).toBeGreaterThan(5);
  for (const text of texts) expect(text).toMatch(/^\/\/ \w.* See src\/kernels\/[\w/-]+-codegen\.ts\.\n/);
});

test('tunables: list every shader of their operators, so that any change is noticed', () => {
  const folder = join(import.meta.dirname, '..', '..', 'src', 'kernels');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /^(matmul|conv2d|depthwise|softmax)\/|^(epilogue|cooperative)|reduce-variants/.test(path.replaceAll('\\', '/')),
  );
  const imported = files
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) =>
      [...readFileSync(join(folder, path), 'utf8').matchAll(/\/(\w+)\.wgsl'/g)].map(([, name]) => name!),
    );
  const known = [...new Set(Object.values(tunables).flatMap(({ shaders }) => shaders))];
  expect(imported.length).toBeGreaterThan(5);
  // The whole text, or with generated code around it.
  expect(imported.filter((name) => !known.some((text) => text.includes(shaderText(name))))).toEqual([]);
  const written = [directRowsCode, gemmTiledCode, winograd1dCode].flatMap(({ sampleSources }) => sampleSources());
  expect(tunables.conv2d!.shaders).toEqual(expect.arrayContaining(written));
  expect(tunables.depthwiseConv2d!.shaders).toEqual(expect.arrayContaining(stripsCode.sampleSources()));
});
