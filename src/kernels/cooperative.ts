import subgroupCode from '../../shaders/cooperative_subgroup.wgsl';
import workgroupCode from '../../shaders/cooperative_workgroup.wgsl';
import type { Device, Workgroups } from '../gpu/device.ts';
import type { KernelSource } from '../gpu/pipelines.ts';

/** Invocations that reduce a row together: eight lanes of a subgroup, or a workgroup. */
export type CooperativeGroup = 'subgroup' | 'workgroup';

/** Members of a team, and teams in a workgroup; as the shaders have them. */
const GROUPS = {
  subgroup: { code: subgroupCode, members: 8, each: 8 },
  workgroup: { code: workgroupCode, members: 256, each: 1 },
} as const;

/** Invocations in a team. */
export const cooperativeSize = (team: CooperativeGroup): number => GROUPS[team].members;

/** Texts that go before the kernels of teams. */
export const cooperativeShaders: readonly string[] = [subgroupCode, workgroupCode];

export const cooperativeSupports = (team: CooperativeGroup, device: Device): boolean =>
  team === 'workgroup' || device.subgroupLanes !== null;

/** A kernel written for teams (its name ends in `_cooperative`) as one of a kind. */
export function cooperativeSource(
  team: CooperativeGroup,
  name: string,
  code: string,
  constants: Record<string, number> | undefined = undefined,
): KernelSource {
  return { name: name.replace(/_cooperative$/, `_${team}`), code: GROUPS[team].code + code, constants };
}

/** Workgroups for so many teams a replica, folded into two dimensions because one holds only 65,535. */
export function cooperativeWorkgroups(team: CooperativeGroup, teams: number, replicas = 1): Workgroups {
  const groups = Math.ceil(teams / GROUPS[team].each);
  const x = Math.min(groups, 32768);
  return [x, x === 0 ? 0 : Math.ceil(groups / x), replicas];
}

/**
 * The team for rows of so many values on a GPU, the best first: a workgroup where its members have at least two values each, eight
 * lanes where theirs are, and none for rows so short that an invocation reads one as fast. What is known of such hardware, not
 * measured on one.
 */
export function cooperativeGroupsFor(device: Device, length: number): CooperativeGroup[] {
  if (device.info.isSoftware) return [];
  if (length >= 2 * GROUPS.workgroup.members) return ['workgroup', 'subgroup'];
  return length >= 2 * GROUPS.subgroup.members ? ['subgroup'] : [];
}

/** Most columns that a workgroup takes side by side. */
const MAX_COLUMNS = 32;
/** Values that a workgroup should have at least, and workgroups that keep a GPU busy. */
const ENOUGH = { values: 4096, groups: 256 };

/** The teams for columns: rows as long as columns, where several columns share a workgroup. */
export const cooperativeGroupsForColumns = (device: Device, rows: number, channels: number): CooperativeGroup[] =>
  cooperativeGroupsFor(device, rows * Math.min(channels, MAX_COLUMNS));

/**
 * How workgroups share [outer, rows, channels] to reduce its rows: so many columns side by side (a power of two), and slices of
 * rows, no more than `most`, as many as keep a GPU busy.
 */
export function planWorkgroupSlices(
  { outer, rows, channels }: { outer: number; rows: number; channels: number },
  most = Number.POSITIVE_INFINITY,
): { width: number; sliceLength: number; slices: number } {
  const width = Math.min(MAX_COLUMNS, 2 ** Math.ceil(Math.log2(channels)));
  const teams = outer * Math.ceil(channels / width);
  const wanted = Math.min(most, Math.floor(ENOUGH.groups / teams), Math.ceil((rows * width) / ENOUGH.values));
  const sliceLength = Math.ceil(rows / Math.max(1, wanted));
  return { width, sliceLength, slices: Math.ceil(rows / sliceLength) };
}
