import type { Device } from '../../src/gpu/device.ts';
import { DeviceArray } from '../../src/kernels/array.ts';
import { runKernel } from '../../src/kernels/run.ts';
import naive from './1-naive.wgsl';
import workgroupTile from './2-workgroup-tile.wgsl';
import registers from './3-registers.wgsl';
import broadcast from './4-broadcast.wgsl';
import blocks from './5-blocks.wgsl';
import wideBlocks from './6-wide-blocks.wgsl';

/** One version of c = a b, a [m, k], b [k, n]. Each is about one idea and leaves the edges out: sizes are whole steps. */
export interface Rung {
  name: string;
  code: string;
  /** What m, n and k must be multiples of. */
  step: readonly [m: number, n: number, k: number];
  /** Rows and columns of c that one workgroup computes, given the lanes of the widest subgroup. */
  tile: (lanes: number) => readonly [rows: number, columns: number];
  subgroups?: true;
}

export const rungs: readonly Rung[] = [
  { name: '1 naive', code: naive, step: [1, 1, 1], tile: () => [8, 8] },
  { name: '2 workgroup tile', code: workgroupTile, step: [16, 16, 16], tile: () => [16, 16] },
  { name: '3 registers', code: registers, step: [32, 32, 1], tile: () => [32, 32] },
  { name: '4 broadcast', code: broadcast, step: [8, 4, 4], tile: (lanes) => [8, 4 * lanes], subgroups: true },
  { name: '5 blocks', code: blocks, step: [4, 32, 4], tile: (lanes) => [4 * lanes, 32], subgroups: true },
  { name: '6 wide blocks', code: wideBlocks, step: [4, 64, 4], tile: (lanes) => [4 * lanes, 64], subgroups: true },
];

/** Whether the adapter can run a rung at all. */
export const canRun = (device: Device, rung: Rung): boolean => !rung.subgroups || device.subgroupLanes !== null;

/** c = a b by one rung. */
export function climb(rung: Rung, a: DeviceArray, b: DeviceArray): DeviceArray {
  const { device } = a;
  const [m, k] = a.shape as [number, number];
  const n = b.shape[1]!;
  const lanes = device.subgroupLanes ?? 0;
  const [rows, columns] = rung.tile(lanes);
  const c = DeviceArray.empty(device, [m, n]);
  const source = { name: rung.name, code: rung.code, constants: rung.subgroups ? { LANES: lanes } : undefined };
  runKernel(device, source, [m, n, k], [a, b, c], [Math.ceil(n / columns), Math.ceil(m / rows), 1]);
  return c;
}
