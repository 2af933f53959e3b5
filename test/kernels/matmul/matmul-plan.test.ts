import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  dispatchRanges,
  MAX_SLICE_LENGTH,
  type MatmulShape,
  matmulVariants,
  type PlanDevice,
  planMatmul,
  replicaGroups,
} from '../../../src/kernels/matmul/matmul-plan.ts';
import { matmulSource } from '../../../src/kernels/matmul/matmul-variants.ts';
import { FAST_CHECK_SEED } from '../../support/operator-cases.ts';

const cpu: PlanDevice = {
  info: { isSoftware: true },
  limits: { maxComputeWorkgroupsPerDimension: 65_535 },
  subgroupLanes: 8,
  largestArray: 2 ** 27,
};
const gpu: PlanDevice = { ...cpu, info: { isSoftware: false }, subgroupLanes: 32 };

const shapeOf = (m: number, n: number, k: number, more: Partial<MatmulShape> = {}): MatmulShape => ({
  ...{ m, n, k, replicas: 1, batch: 1, transposeA: false, transposeB: false },
  ...more,
});

/** Sizes with and without remainders of tiles and slices. */
const shapes = fc.record({
  m: fc.integer({ min: 1, max: 300 }),
  n: fc.integer({ min: 1, max: 300 }),
  k: fc.integer({ min: 1, max: 200_000 }),
  replicas: fc.integer({ min: 1, max: 7 }),
  batch: fc.integer({ min: 1, max: 5 }),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
});
const variants = fc.constantFrom(...matmulVariants);
const devices = fc.constantFrom(cpu, gpu);
const drawn = { seed: FAST_CHECK_SEED, numRuns: 300 };

describe('planMatmul', () => {
  test('tiles: 8 x 8 for the reference, 64 x 64 for workgroups, 64 x 64 or 128 x 128 for blocks; for subgroups by lanes and columns', () => {
    const tileOf = (variant: (typeof matmulVariants)[number], n: number) =>
      planMatmul(variant, cpu, shapeOf(100, n, 10)).tile;
    expect(tileOf('naive', 100)).toEqual([8, 8]);
    expect(tileOf('workgroup', 100)).toEqual([64, 64]);
    expect(tileOf('blocks64', 100)).toEqual([64, 64]);
    expect(tileOf('blocks128', 100)).toEqual([128, 128]);
    expect(tileOf('subgroup', 13)).toEqual([32, 32]);
    expect(tileOf('subgroup', 12)).toEqual([32, 12]);
  });

  test('slices: as many as keep the adapter busy; one for the reference or with many tiles', () => {
    expect(planMatmul('naive', cpu, shapeOf(8, 8, 801))).toMatchObject({ slices: 1, sliceLength: 801 });
    expect(planMatmul('subgroup', cpu, shapeOf(8, 8, 801))).toMatchObject({ slices: 4, sliceLength: 204 });
    expect(planMatmul('subgroup', cpu, shapeOf(320, 320, 801))).toMatchObject({ slices: 1 });
    expect(planMatmul('workgroup', gpu, shapeOf(8, 8, 128 * 128))).toMatchObject({ slices: 128, sliceLength: 128 });
    expect(planMatmul('workgroup', gpu, shapeOf(256, 120, 400))).toMatchObject({ slices: 9, sliceLength: 48 });
    expect(planMatmul('workgroup', gpu, shapeOf(256, 120, 252))).toMatchObject({ slices: 1 });
  });

  test('slices cover k, none is empty, and their lengths allow two levels of summation', () => {
    fc.assert(
      fc.property(variants, devices, shapes, (variant, device, shape) => {
        const { slices, sliceLength } = planMatmul(variant, device, shape);
        expect(slices * sliceLength).toBeGreaterThanOrEqual(shape.k);
        expect((slices - 1) * sliceLength).toBeLessThan(shape.k);
        if (variant === 'naive') return;
        expect(sliceLength % 4).toBe(0);
        expect(sliceLength).toBeLessThanOrEqual(MAX_SLICE_LENGTH);
      }),
      drawn,
    );
  });

  test('slices do not depend on the number of replicas, and fit into an array', () => {
    fc.assert(
      fc.property(variants, devices, shapes, (variant, device, shape) => {
        const small = { ...device, largestArray: 4 * shape.batch * shape.m * shape.n * 3 };
        const plans = [1, 50].map((replicas) => planMatmul(variant, small, { ...shape, replicas }));
        expect(plans[1]!.slices).toBe(plans[0]!.slices);
        expect(plans[0]!.slices).toBeLessThanOrEqual(3);
      }),
      drawn,
    );
  });

  test('epilogue: applied by the product, or by the pass that adds the slices', () => {
    expect(planMatmul('subgroup', cpu, shapeOf(8, 8, 100)).epiloguePass).toBe('product');
    expect(planMatmul('subgroup', cpu, shapeOf(8, 8, 801)).epiloguePass).toBe('slices');
  });

  test('column sums: only if requested, and only by subgroups for one product in one slice with b [k, n]', () => {
    const has = (variant: 'subgroup' | 'workgroup', more: Partial<MatmulShape>, columnSums = true) =>
      planMatmul(variant, cpu, shapeOf(8, 8, 100, more), { columnSums }).columnSums;
    expect(has('subgroup', { transposeA: true, replicas: 3 })).toBe(true);
    expect(has('subgroup', {}, false)).toBe(false);
    expect(has('workgroup', {})).toBe(false);
    expect(has('subgroup', { transposeB: true })).toBe(false);
    expect(has('subgroup', { batch: 2 })).toBe(false);
    expect(has('subgroup', { k: 801 })).toBe(false);
  });
});

describe('ranges of a plan', () => {
  test('replicaGroups: every replica once, partial sums within the largest array', () => {
    fc.assert(
      fc.property(variants, devices, shapes, (variant, device, shape) => {
        const small = { ...device, largestArray: 4 * shape.batch * shape.m * shape.n * 3 };
        const plan = planMatmul(variant, small, shape);
        const groups = replicaGroups(plan);
        const all = groups.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
        expect(all).toEqual(Array.from({ length: shape.replicas }, (_, i) => i));
        for (const { count } of groups) {
          expect(4 * count * plan.slices * shape.batch * shape.m * shape.n).toBeLessThanOrEqual(small.largestArray);
        }
      }),
      drawn,
    );
  });

  test('dispatchRanges: every element of every product once, grids within the limit', () => {
    const narrow = { ...gpu, limits: { maxComputeWorkgroupsPerDimension: 130 } };
    fc.assert(
      fc.property(variants, shapes, fc.integer({ min: 1, max: 20 }), (variant, shape, scale) => {
        const plan = planMatmul(variant, narrow, { ...shape, m: shape.m * scale * 10, batch: shape.batch * scale });
        const group = { first: 2, count: 3 };
        let elements = 0;
        for (const { rows, columns, products } of dispatchRanges(plan, group)) {
          elements += rows.count * columns.count * products.count;
          expect(Math.ceil(rows.count / plan.tile[0])).toBeLessThanOrEqual(130);
          expect(Math.ceil(columns.count / plan.tile[1])).toBeLessThanOrEqual(130);
          expect(plan.slices * products.count).toBeLessThanOrEqual(130);
          expect(products.first).toBeGreaterThanOrEqual(2 * plan.batch);
          expect(products.first + products.count).toBeLessThanOrEqual(5 * plan.batch);
          expect(rows.first + rows.count).toBeLessThanOrEqual(plan.m);
          expect(columns.first + columns.count).toBeLessThanOrEqual(plan.n);
        }
        expect(elements).toBe(3 * plan.batch * plan.m * plan.n);
      }),
      drawn,
    );
  });
});

test('matmulSource: the constants follow from sizes and plan; the name contains the activation', () => {
  const subgroup = (shape: MatmulShape, activation: 'relu' | 'tanh' | null = null) =>
    matmulSource(planMatmul('subgroup', cpu, shape), { activation: activation && { name: activation, p: 0 } });
  expect(subgroup(shapeOf(8, 10, 6)).constants).toMatchObject({ LANES: 8, BLOCKS: 3, RAGGED: 1, A_WIDE: 0, B_WIDE: 0 });
  const wide = subgroup(shapeOf(8, 16, 8, { transposeA: true, transposeB: true }));
  expect(wide.constants).toMatchObject({ BLOCKS: 8, RAGGED: 0, A_WIDE: 1, TRANSPOSE_A: 1, B_WIDE: 1, TRANSPOSE_B: 1 });
  expect(subgroup(shapeOf(8, 8, 100), 'relu').name).toBe('matmul_subgroup');
  expect(subgroup(shapeOf(8, 8, 100), 'tanh').name).toBe('matmul_subgroup_tanh');
  expect(subgroup(shapeOf(8, 8, 801), 'tanh').name).toBe('matmul_subgroup'); // applied where the slices are added up
});
