import { test } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';

/** Variants of convolutions that run on every adapter; the others need subgroups. */
const WITHOUT_SUBGROUPS: readonly string[] = ['naive', 'gemmTiled', 'matmul', 'winograd2d', 'patches'];

/** `test` for a variant of conv2d, skipped if it needs subgroups that the adapter does not have. */
export const testOfConv2d = (device: Device | null, variant: string) =>
  test.skipIf((device?.subgroupLanes ?? null) === null && !WITHOUT_SUBGROUPS.includes(variant));

/** A length that a variant of the product supports: its kernels with blocks need multiples of four. */
export const matmulLength = (variant: string, length: number) =>
  variant.startsWith('blocks') ? 4 * Math.ceil(length / 4) : length;
