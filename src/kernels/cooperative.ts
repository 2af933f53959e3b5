import subgroupCode from '../../shaders/cooperative_subgroup.wgsl';
import workgroupCode from '../../shaders/cooperative_workgroup.wgsl';
import type { Device, Workgroups } from '../gpu/device.ts';
import type { KernelSource } from '../gpu/pipelines.ts';

/** Invocations that reduce a row together: eight lanes of a subgroup, or a workgroup. */
export type CooperativeGroup = 'subgroup' | 'workgroup';

/** Invocations of a group, and groups in a workgroup, as in the shaders. */
const GROUPS = {
  subgroup: { code: subgroupCode, size: 8, perWorkgroup: 8 },
  workgroup: { code: workgroupCode, size: 256, perWorkgroup: 1 },
} as const;

/** Invocations in a group. */
export const cooperativeSize = (group: CooperativeGroup): number => GROUPS[group].size;

/** The shaders that are put before cooperative kernels. */
export const cooperativeShaders: readonly string[] = [subgroupCode, workgroupCode];

export const cooperativeSupports = (group: CooperativeGroup, device: Device): boolean =>
  group === 'workgroup' || device.subgroupLanes !== null;

/** Source of a cooperative kernel (its name ends in `_cooperative`) for one kind of group. */
export function cooperativeSource(
  group: CooperativeGroup,
  name: string,
  code: string,
  constants: Record<string, number> | undefined = undefined,
): KernelSource {
  return { name: name.replace(/_cooperative$/, `_${group}`), code: GROUPS[group].code + code, constants };
}

/** Workgroups for `count` groups of each replica, folded into two dimensions because one holds only 65,535. */
export function cooperativeWorkgroups(group: CooperativeGroup, count: number, replicas = 1): Workgroups {
  const workgroups = Math.ceil(count / GROUPS[group].perWorkgroup);
  const x = Math.min(workgroups, 32768);
  return [x, x === 0 ? 0 : Math.ceil(workgroups / x), replicas];
}

/**
 * Groups for rows of `length` values, the best first. On a GPU: a workgroup or eight lanes, if each invocation gets at least two values;
 * no group for shorter rows, which one invocation reads as fast. Based on knowledge of GPUs, not measured. On a CPU: none.
 */
export function cooperativeGroupsFor(device: Device, length: number): CooperativeGroup[] {
  if (device.info.isSoftware) return [];
  if (length >= 2 * GROUPS.workgroup.size) return ['workgroup', 'subgroup'];
  return length >= 2 * GROUPS.subgroup.size ? ['subgroup'] : [];
}

/** Most columns that a workgroup reduces side by side. */
const MAX_COLUMNS = 32;
/** Fewest values for which a workgroup is worth starting. */
const MIN_VALUES_PER_WORKGROUP = 4096;
/** Workgroups that keep a GPU busy. */
const ENOUGH_WORKGROUPS = 256;

/** Groups for columns of `rows` values; several columns share a workgroup. */
export const cooperativeGroupsForColumns = (device: Device, rows: number, channels: number): CooperativeGroup[] =>
  cooperativeGroupsFor(device, rows * Math.min(channels, MAX_COLUMNS));

/**
 * Plans how workgroups reduce the rows of [outer, rows, channels].
 * @returns `width`, the columns side by side in a workgroup (a power of two), and slices of the rows: as many as keep a GPU busy, at
 *   most `maxSlices`
 */
export function planWorkgroupSlices(
  { outer, rows, channels }: { outer: number; rows: number; channels: number },
  maxSlices = Number.POSITIVE_INFINITY,
): { width: number; sliceLength: number; slices: number } {
  const width = Math.min(MAX_COLUMNS, 2 ** Math.ceil(Math.log2(channels)));
  const blocks = outer * Math.ceil(channels / width);
  const useful = Math.min(Math.floor(ENOUGH_WORKGROUPS / blocks), Math.ceil((rows * width) / MIN_VALUES_PER_WORKGROUP));
  const wanted = Math.min(maxSlices, useful);
  const sliceLength = Math.ceil(rows / Math.max(1, wanted));
  return { width, sliceLength, slices: Math.ceil(rows / sliceLength) };
}
