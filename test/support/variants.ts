import { test } from 'vitest';
import type { Device } from '../../src/gpu/device.ts';

/** Variants of convolutions that run on every adapter; the others need subgroups. */
const WITHOUT_SUBGROUPS: readonly string[] = ['naive', 'gemmTiled', 'matmul', 'winograd2d', 'patches'];

/** `test` of a variant of conv2d, skipped where the adapter has no subgroups and the variant needs them. */
export const testOfConv2d = (device: Device | null, variant: string) =>
  test.skipIf((device?.subgroupLanes ?? null) === null && !WITHOUT_SUBGROUPS.includes(variant));
