import type { Device } from '../../src/gpu/device.ts';
import { DeviceArray } from '../../src/kernels/array.ts';
import { runKernel } from '../../src/kernels/run.ts';
import naive from './1-naive.wgsl';
import workgroupTile from './2-workgroup-tile.wgsl';
import registers from './3-registers.wgsl';
import broadcast from './4-broadcast.wgsl';
import blocks from './5-blocks.wgsl';
import wideBlocks from './6-wide-blocks.wgsl';

/** One version of c = a b, a [m, k], b [k, n]. Each shows one idea and handles no edges: sizes must be multiples of `step`. */
export interface Rung {
  name: string;
  code: string;
  /** The sizes of which m, n and k must be multiples. */
  step: readonly [m: number, n: number, k: number];
  /** Returns the rows and columns of c that one workgroup computes. @param lanes lanes of the widest subgroup */
  tile: (lanes: number) => readonly [rows: number, columns: number];
  /** Whether the kernel needs subgroups. */
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

/** Whether the adapter has the features that a rung needs. */
export const canRun = (device: Device, rung: Rung): boolean => !rung.subgroups || device.subgroupLanes !== null;

/** Computes c = a b with one rung. */
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
