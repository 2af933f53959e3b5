import { expect, test } from 'vitest';
import type { DeviceArray } from '../../src/kernels/array.ts';
import { geometryOf } from '../../src/kernels/conv2d/conv-sizes.ts';
import {
  type Conv2dVariant,
  conv2d,
  conv2dInputGrad,
  conv2dSupports,
  conv2dWeightGrad,
  convGeometry,
} from '../../src/kernels/conv2d/conv2d.ts';
import { type MatmulVariant, matmul, matmulVariants } from '../../src/kernels/matmul/matmul.ts';
import { scope, Tensor, tensor } from '../../src/node.ts';
import { type Conv2dAttrs, conv2d as conv2dReference } from '../reference/conv2d.ts';
import { matmul as matmulReference } from '../reference/matmul.ts';
import type { NdArray } from '../reference/ndarray.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { replaceLimits } from '../support/limits.ts';
import { drawLike } from '../support/operator-cases.ts';
import { matmulLength } from '../support/variants.ts';

// Products and convolutions with more workgroups than a dispatch can have, or more bytes than an array. Integers, so results are exact.

/** Replaces -0 by 0: the sign of a sum of zeros is not defined. */
const normalizeZero = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

type Four = [DeviceArray, DeviceArray, DeviceArray, DeviceArray];

/** Values of several replicas, with each replica's bias of [models, channels] added. */
const addBias = (values: ArrayLike<number>, { shape: [models, channels], data }: NdArray) =>
  Array.from(
    values,
    (value, i) => value + data[Math.floor((i * models!) / values.length) * channels! + (i % channels!)]!,
  );

describeOnDevice('sizes beyond the limits of a dispatch or an array', (device) => {
  const lanes = device?.subgroupLanes ?? null;
  const withVariant = (variant: string) => test.skipIf(variant === 'subgroup' && lanes === null);
  /** One replica for each element of the first axis. */
  const upload = ({ shape, data }: NdArray): DeviceArray =>
    tensor(device, data, shape.slice(1), { models: shape[0]! }).array;
  const limitGroups = (maxComputeWorkgroupsPerDimension: number) =>
    replaceLimits(device, { maxComputeWorkgroupsPerDimension });

  async function product(variant: MatmulVariant, a: NdArray, b: NdArray, groups: number): Promise<number[]> {
    using c = scope(device, () => {
      const [left, right] = [upload(a), upload(b)];
      using _ = limitGroups(groups);
      return new Tensor(matmul(left, right, { variant }));
    });
    return normalizeZero(await c.data());
  }

  for (const variant of matmulVariants) {
    withVariant(variant)(
      `matmul of more tiles each way, and more products, than a dispatch holds: ${variant}`,
      async () => {
        const k = matmulLength(variant, 3);
        const [a, b] = [drawLike([5, 270, k], 1, 'integer'), drawLike([5, k, 260], 2, 'integer')];
        expect(await product(variant, a, b, 4)).toEqual(normalizeZero(matmulReference.forward([a, b], {}).data));
      },
    );

    withVariant(variant)(`matmul of more slices of a long sum than a dispatch holds: ${variant}`, async () => {
      const [k, n] = [matmulLength(variant, 801), matmulLength(variant, 6)];
      const [a, b] = [drawLike([7, 5, k], 3, 'integer'), drawLike([7, k, n], 4, 'integer')];
      expect(await product(variant, a, b, 8)).toEqual(normalizeZero(matmulReference.forward([a, b], {}).data));
    });
  }

  // The result of a replica has 5 x 6 numbers, or twice as many.
  const sliced = (['subgroup', 'workgroup', 'blocks64'] as const).flatMap((variant) => [
    { variant, batch: [], room: 3 }, // room for some of the slices
    { variant, batch: [], room: 9 }, // room for the slices of some replicas, on a CPU
    { variant, batch: [2], room: 5 },
  ]);
  test.skipIf(lanes === null).each(sliced)(
    'matmul: more slices than an array holds, room for $room, batch $batch: $variant',
    async ({ variant, batch, room }) => {
      const [k, n] = [matmulLength(variant, 801), matmulLength(variant, 6)];
      const [a, b] = [drawLike([3, ...batch, 5, k], 11, 'integer'), drawLike([3, ...batch, k, n], 12, 'integer')];
      const offsets = drawLike([3, n], 13, 'integer');
      const { data: products, shape } = matmulReference.forward([a, b], {});
      const gate = drawLike([...shape], 14, 'integer');
      const arrays = [a, b, offsets, gate].map((array) => new Tensor(upload(array)));
      const [left, right, bias, reluMask] = arrays.map(({ array }) => array) as Four;
      const perReplica = products.length / 3;
      {
        // A binding is whole vec4s: up to three values more.
        using _ = replaceLimits(device, { maxStorageBufferBindingSize: 16 * Math.ceil((room * perReplica) / 4) });
        const program = device.record(() => matmul(left, right, { variant }).dispose());
        const sums = program.commands.filter(({ pipeline }) => pipeline.name === 'matmul_slices');
        expect(sums.length).toBeGreaterThan(1);
        program.dispose();
        const results = scope(device, () =>
          [{ bias }, { reluMask }].map((epilogue) => new Tensor(matmul(left, right, { ...epilogue, variant }))),
        );
        const expected = [addBias(products, offsets), products.map((value, i) => (gate.data[i]! > 0 ? value : 0))];
        for (const [i, values] of expected.entries()) {
          expect(normalizeZero(await results[i]!.data())).toEqual(normalizeZero(values));
          results[i]!.dispose();
        }
      }
      for (const array of arrays) array.dispose();
    },
  );

  withVariant('subgroup')(
    "matmul of more tiles than a dispatch holds, beside the right matrix's column sums",
    async () => {
      const [models, m, n, k] = [2, 270, 260, 3];
      const [x, dy] = [drawLike([models, k, m], 5, 'integer'), drawLike([models, k, n], 6, 'integer')];
      const [dw, db] = scope(device, () => {
        const columnSums = tensor(device, Array(models * n).fill(9), [n], { models });
        const [left, right] = [upload(x), upload(dy)];
        using _ = limitGroups(4);
        const options = { transposeA: true, variant: 'subgroup', columnSums: columnSums.array } as const;
        return [new Tensor(matmul(left, right, options)), columnSums];
      });
      expect(normalizeZero(await dw.data())).toEqual(
        normalizeZero(matmulReference.forward([x, dy], { transposeA: true }).data),
      );
      const dyAt = (model: number, row: number, column: number) => dy.data[(model * k + row) * n + column]!;
      const sums = Array.from({ length: models * n }, (_, i) => {
        const [model, column] = [Math.floor(i / n), i % n];
        return dyAt(model, 0, column) + dyAt(model, 1, column) + dyAt(model, 2, column);
      });
      expect(normalizeZero(await db.data())).toEqual(normalizeZero(sums));
      dw.dispose();
      db.dispose();
    },
  );

  /** Inputs of a convolution for each replica, and the results of the reference. */
  function drawConvolution(models: number, input: number[], filter: number[], attrs: Conv2dAttrs) {
    const all = (shape: number[], seed: number) => drawLike([models, ...shape], seed, 'integer');
    const of = ({ shape, data }: NdArray, model: number): NdArray => {
      const size = data.length / models;
      return { shape: shape.slice(1), data: data.slice(model * size, (model + 1) * size) };
    };
    const [x, w] = [all(input, 7), all(filter, 8)];
    const ys = Array.from({ length: models }, (_, m) => conv2dReference.forward([of(x, m), of(w, m)], attrs));
    const dy = all([...ys[0]!.shape], 9);
    const grads = ys.map((y, m) => conv2dReference.backward([of(x, m), of(w, m)], y, of(dy, m), attrs));
    const together = (arrays: NdArray[]) => arrays.flatMap(({ data }) => normalizeZero(data));
    const gradient = (i: number) => together(grads.map((of) => of[i]!));
    return { x, w, dy, y: together(ys), dx: gradient(0), dw: gradient(1) };
  }

  test('conv2d, several replicas: more slices than a dispatch holds: gemmTiled', async () => {
    const attrs = { padding: 'same' } as const;
    const { x, w, dy, y, dw } = drawConvolution(4, [2, 17, 17, 2], [3, 3, 2, 3], attrs);
    const results = scope(device, () => {
      const [input, filter, gradient] = [upload(x), upload(w), upload(dy)];
      using _ = limitGroups(3); // replicas alone exceed it too
      const variant: Conv2dVariant = 'gemmTiled';
      const geometry = convGeometry(input, filter, attrs);
      return [
        new Tensor(conv2d(input, filter, { ...attrs, variant })),
        new Tensor(conv2dWeightGrad(input, gradient, geometry, { variant })),
      ];
    });
    expect(normalizeZero(await results[0]!.data())).toEqual(y);
    expect(normalizeZero(await results[1]!.data())).toEqual(dw);
    for (const result of results) result.dispose();
  });

  // A slice of this filter's gradient is 9 x 8 x 8 numbers, and there are 6 images of 11 rows to sum; with enough room, `slices` slices.
  const SLICE_BYTES = 4 * 9 * 8 * 8;
  const WITH_SUMS = SLICE_BYTES + 4 * 8; // and of the columns
  const [inDirectVec4, inGemm, inDirectRows, inGemmTiled] = [
    { variant: 'directVec4', kernel: 'conv2d_weight_grad_direct_vec4', bytes: SLICE_BYTES, width: 5, tiles: 1 },
    { variant: 'gemm', kernel: 'conv2d_weight_grad_gemm', bytes: SLICE_BYTES, width: 5, tiles: 1 },
    { variant: 'directRows', kernel: 'conv2d_weight_grad_direct_rows', bytes: WITH_SUMS, width: 5, tiles: 1 },
    { variant: 'gemmTiled', kernel: 'conv2d_gemm_tiled', bytes: SLICE_BYTES, width: 17, tiles: 2 },
  ] as const;
  const some = [1, 1, 1]; // replicas at once if there is room for some of the slices
  test.skipIf(lanes === null).each([
    { ...inDirectVec4, room: 10, slices: 10, groups: some },
    { ...inDirectVec4, room: 70, slices: 33, groups: [2, 1] }, // for those of some models
    { ...inDirectVec4, room: 99, slices: 33, groups: [3] },
    { ...inGemm, room: 5, slices: 5, groups: some },
    { ...inGemm, room: 17, slices: 8, groups: [2, 1] },
    { ...inGemm, room: 24, slices: 8, groups: [3] },
    { ...inDirectRows, room: 4, slices: 3, groups: some },
    { ...inDirectRows, room: 13, slices: 6, groups: [2, 1] },
    { ...inDirectRows, room: 18, slices: 6, groups: [3] },
    { ...inGemmTiled, room: 4, slices: 4, groups: some },
    { ...inGemmTiled, room: 11, slices: 5, groups: [2, 1] },
    { ...inGemmTiled, room: 15, slices: 5, groups: [3] },
  ])("conv2d: more slices of a filter's gradient than an array holds, room for $room: $variant", async (expected) => {
    const { variant, kernel, bytes, width, tiles, room, slices, groups } = expected;
    const attrs = { padding: 'same' } as const;
    const { x, w, dy, dw } = drawConvolution(3, [6, 11, width, 8], [3, 3, 8, 8], attrs);
    const arrays = [x, w, dy].map((array) => new Tensor(upload(array)));
    const [input, filter, gradient] = arrays.map(({ array }) => array) as [DeviceArray, DeviceArray, DeviceArray];
    const alone = [x, dy].map(
      ({ shape, data }) => new Tensor(upload({ shape: [1, ...shape.slice(1)], data: data.slice(0, data.length / 3) })),
    );
    const columnSums = tensor(device, Array(3 * 8).fill(9), [8], { models: 3 });
    const geometry = convGeometry(input, filter, attrs);
    const run = (from: DeviceArray, to: DeviceArray, sums?: DeviceArray) =>
      conv2dWeightGrad(from, to, geometry, { variant, columnSums: sums });
    /** Slices of all replicas in the kernel's dispatches, which have slices or tiles along x, and replicas or both along z. */
    const slicesOf = (from: DeviceArray, to: DeviceArray) => {
      const program = device.record(() => void run(from, to));
      const grids = program.commands.filter(({ pipeline }) => pipeline.name === kernel);
      program.dispose();
      return grids.map(({ workgroups: [alongX, , alongZ] }) => (alongX * alongZ) / tiles);
    };
    {
      using _ = replaceLimits(device, { maxStorageBufferBindingSize: room * bytes });
      using result = scope(device, () => new Tensor(run(input, gradient, columnSums.array)));
      expect(slicesOf(input, gradient)).toEqual(groups.map((models) => slices * models));
      // A single model has the same slices, and so the same bits.
      expect(slicesOf(alone[0]!.array, alone[1]!.array)).toEqual([slices]);
      expect(normalizeZero(await result.data())).toEqual(dw);
    }
    const sums = Array(3 * 8).fill(0);
    for (const [i, value] of dy.data.entries()) sums[Math.floor(i / (dy.data.length / 3)) * 8 + (i % 8)] += value;
    expect(normalizeZero(await columnSums.data())).toEqual(normalizeZero(sums));
    for (const array of [...arrays, ...alone, columnSums]) array.dispose();
  });

  test.skipIf(lanes === null)(
    "conv2d: if an array cannot hold the tiles of one image's gradient, another variant is used",
    () => {
      // Two tiles; each is a slice of 3 x 3 x 4 x 8 numbers and 8 column sums.
      const geometry = geometryOf({
        ...{ batch: 1, height: 4, width: 32, channels: 4, outHeight: 4, outWidth: 32, outChannels: 8 },
        ...{ kernelHeight: 3, kernelWidth: 3, strideY: 1, strideX: 1, dilationY: 1, dilationX: 1, padY: 1, padX: 1 },
      });
      const bytes = 2 * 4 * (3 * 3 * 4 * 8 + 8);
      const supports = (maxStorageBufferBindingSize: number) => {
        using _ = replaceLimits(device, { maxStorageBufferBindingSize });
        return conv2dSupports('directRows', device, geometry).weightGrad;
      };
      expect([supports(bytes), supports(bytes - 4)]).toEqual([true, false]);
    },
  );

  // x and dy of a replica have 2 x 5 x 6 pixels of 4 padded channels. Slices of the filter's gradient are smaller.
  const PADDED_BYTES = 4 * 2 * 5 * 6 * 4;
  test.skipIf(lanes === null)(
    'conv2d: more replicas with grouped channels than an array holds: directVec4',
    async () => {
      const { x, w, dy, y, dx, dw } = drawConvolution(3, [2, 5, 6, 1], [1, 1, 1, 2], {});
      const b = drawLike([3, 2], 10, 'integer');
      const arrays = [x, w, dy, b].map((array) => new Tensor(upload(array)));
      const [input, filter, gradient, bias] = arrays.map(({ array }) => array) as Four;
      const geometry = convGeometry(input, filter);
      const variant: Conv2dVariant = 'directVec4';
      const run = () => [
        conv2d(input, filter, { bias, variant }),
        conv2dInputGrad(gradient, filter, geometry, { variant }),
        conv2dWeightGrad(input, gradient, geometry, { variant }),
      ];
      {
        using _ = replaceLimits(device, { maxStorageBufferBindingSize: 2 * PADDED_BYTES });
        const program = device.record(() => {
          for (const array of run()) array.dispose();
        });
        const grids = program.commands.filter(({ pipeline }) => /^conv2d.*_direct_vec4$/.test(pipeline.name));
        expect(grids.map(({ workgroups }) => workgroups[2])).toEqual([2, 1, 2, 1, 2, 1]);
        program.dispose();
        const results = scope(device, () => run().map((array) => new Tensor(array)));
        for (const [i, expected] of [addBias(y, b), dx, dw].entries()) {
          expect(normalizeZero(await results[i]!.data())).toEqual(normalizeZero(expected));
          results[i]!.dispose();
        }
      }
      {
        using _ = replaceLimits(device, { maxStorageBufferBindingSize: PADDED_BYTES - 4 });
        expect(conv2dSupports(variant, device, geometry)).toEqual({
          forward: false,
          inputGrad: false,
          weightGrad: false,
        });
      }
      for (const array of arrays) array.dispose();
    },
  );

  // A replica has 6 x 4 x 4 windows of 3 x 3 x 3 pixels.
  const PATCHES_BYTES = 4 * 6 * 4 * 4 * 3 * 3 * 3;
  test('conv2d: more replicas of patches than an array holds: patches', async () => {
    const attrs = { strides: 2 } as const;
    const { x, w, dy, dw } = drawConvolution(3, [6, 9, 9, 3], [3, 3, 3, 64], attrs);
    const arrays = [x, w, dy].map((array) => new Tensor(upload(array)));
    const [input, filter, gradient] = arrays.map(({ array }) => array) as [DeviceArray, DeviceArray, DeviceArray];
    const geometry = convGeometry(input, filter, attrs);
    const run = () => conv2dWeightGrad(input, gradient, geometry, { variant: 'patches' });
    {
      using _ = replaceLimits(device, { maxStorageBufferBindingSize: 2 * PATCHES_BYTES });
      const program = device.record(() => run().dispose());
      const grids = program.commands.filter(({ pipeline }) => pipeline.name === 'conv2d_patches');
      expect(grids.map(({ workgroups }) => workgroups[2])).toEqual([2, 1]);
      program.dispose();
      using result = scope(device, () => new Tensor(run()));
      expect(normalizeZero(await result.data())).toEqual(dw);
    }
    // With 16 filters a gradient is 27 x 16 numbers: only every fourth replica begins at a multiple of the binding alignment.
    const few = { ...geometry, outChannels: 16 };
    const supports = (models: number, g = geometry) => {
      using _ = replaceLimits(device, { maxStorageBufferBindingSize: models * PATCHES_BYTES });
      return conv2dSupports('patches', device, g).weightGrad;
    };
    expect([supports(0.9), supports(1), supports(3, few), supports(4, few)]).toEqual([false, true, false, true]);
    for (const array of arrays) array.dispose();
  });

  // A replica's transformed filter has 3 x 4 points of 8 x 8 channels: more numbers than y.
  const FILTER_BYTES = 4 * 3 * 4 * 8 * 8;
  test.skipIf(lanes === null)(
    'conv2d: more replicas of transformed filters than an array holds: winograd1d',
    async () => {
      const attrs = { padding: 'same' } as const;
      const { x, w, dy, y, dx } = drawConvolution(3, [1, 4, 9, 8], [3, 3, 8, 8], attrs);
      const b = drawLike([3, 8], 10, 'integer');
      const arrays = [x, w, dy, b].map((array) => new Tensor(upload(array)));
      const [input, filter, gradient, bias] = arrays.map(({ array }) => array) as Four;
      const geometry = convGeometry(input, filter, attrs);
      const variant: Conv2dVariant = 'winograd1d';
      const run = () => [
        conv2d(input, filter, { ...attrs, bias, variant }),
        conv2dInputGrad(gradient, filter, geometry, { variant }),
      ];
      {
        using _ = replaceLimits(device, { maxStorageBufferBindingSize: 2 * FILTER_BYTES });
        const program = device.record(() => {
          for (const array of run()) array.dispose();
        });
        expect(program.commands.map(({ workgroups }) => workgroups[2])).toEqual([2, 2, 1, 1, 2, 2, 1, 1]);
        program.dispose();
        const results = scope(device, () => run().map((array) => new Tensor(array)));
        for (const [i, expected] of [addBias(y, b), dx].entries()) {
          expectClose(await results[i]!.data(), expected, { atol: 5e-6 * Math.max(...expected.map(Math.abs)) });
          results[i]!.dispose();
        }
      }
      {
        using _ = replaceLimits(device, { maxStorageBufferBindingSize: FILTER_BYTES - 4 });
        expect(conv2dSupports(variant, device, geometry)).toMatchObject({ forward: false, inputGrad: false });
      }
      for (const array of arrays) array.dispose();
    },
  );

  // For an image: points, tiles, channels of x and of dy. The filter has fewer.
  const TILE_BYTES = 4 * 36 * (3 * 2) * (8 + 4);
  test.each([
    { room: 30, models: [3] },
    { room: 9, models: [2, 1] },
    { room: 2, models: Array(3 * 2).fill(1) }, // two images of a model, then its third
  ])(
    'conv2d: more images and replicas of tiles than scratch memory holds, room for $room: winograd2d',
    async ({ room, models }) => {
      const attrs = { padding: 'same' } as const;
      const { x, w, dy, y, dx, dw } = drawConvolution(3, [3, 9, 7, 8], [3, 3, 8, 4], attrs);
      const arrays = [x, w, dy].map((array) => new Tensor(upload(array)));
      const [input, filter, gradient] = arrays.map(({ array }) => array) as [DeviceArray, DeviceArray, DeviceArray];
      const geometry = convGeometry(input, filter, attrs);
      const variant: Conv2dVariant = 'winograd2d';
      const run = () => conv2dWeightGrad(input, gradient, geometry, { variant });
      {
        using _ = replaceLimits(device, { maxStorageBufferBindingSize: room * TILE_BYTES });
        const program = device.record(() => run().dispose());
        const transforms = program.commands.filter(({ pipeline }) => pipeline.name.startsWith('winograd2d_tiles'));
        // Of x, of dy and of the filter.
        expect(transforms.map(({ workgroups }) => workgroups[2])).toEqual(models.flatMap((n) => [n, n, n]));
        program.dispose();
        const results = scope(device, () =>
          [
            run(),
            conv2d(input, filter, { ...attrs, variant }),
            conv2dInputGrad(gradient, filter, geometry, { variant }),
          ].map((array) => new Tensor(array)),
        );
        for (const [i, expected] of [dw, y, dx].entries()) {
          expectClose(await results[i]!.data(), expected, { atol: 5e-6 * Math.max(...expected.map(Math.abs)) });
          results[i]!.dispose();
        }
      }
      {
        using _ = replaceLimits(device, { maxStorageBufferBindingSize: 4 * 36 * (3 * 2) * 8 - 4 });
        const none = { forward: false, inputGrad: false, weightGrad: false };
        expect(conv2dSupports(variant, device, geometry)).toEqual(none);
      }
      for (const array of arrays) array.dispose();
    },
  );

  test.skipIf(lanes === null)('conv2d: a variant whose dispatch would be too large is not supported', () => {
    const sizes = {
      strideY: 1,
      strideX: 1,
      dilationY: 1,
      dilationX: 1,
      kernelHeight: 3,
      kernelWidth: 3,
      padY: 1,
      padX: 1,
    };
    const images = { batch: 1, height: 5, width: 80, outHeight: 5, outWidth: 80 };
    const geometry = (channels: number, outChannels: number) =>
      geometryOf({ ...sizes, ...images, channels, outChannels });
    const [wide, few, some] = [geometry(36, 40), geometry(3, 8), geometry(8, 8)];
    const supportFlags = () => [
      conv2dSupports('directVec4', device, wide).weightGrad,
      conv2dSupports('gemm', device, wide).weightGrad,
      conv2dSupports('directRows', device, few).forward,
      conv2dSupports('directRows', device, few).weightGrad,
      conv2dSupports('winograd1d', device, some).forward,
    ];
    expect(supportFlags()).toEqual([true, true, true, true, true]);
    using _ = limitGroups(4);
    expect(supportFlags()).toEqual([false, false, false, false, false]);
  });
});
