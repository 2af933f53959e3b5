import code from '../../../shaders/matmul/add_slices.wgsl';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray } from '../array.ts';
import type { ConvGeometry } from '../conv2d/conv-geometry.ts';
import { arrayCapacity, chunkRanges, elementwiseWorkgroups, type IndexRange, runKernel } from '../run.ts';

/** How an axis of channels is laid out: `places` in groups of four, each filled up to `width` with channels. */
export interface ChannelAxis {
  paddedChannels: number;
  width: number;
}

const unpadded = (channels: number): ChannelAxis => ({ paddedChannels: channels, width: 4 });

/** Layout of a slice of partial sums, if it differs from the layout of the weight gradient. */
interface SliceLayout {
  rows: ChannelAxis;
  columns: ChannelAxis;
  /** f32 [Co]; receives the column sums of dy, whose partial sums follow those of the filter in each slice. */
  columnSums?: DeviceArray;
}

/** Elements of a slice of one replica: of the filter, and in total. */
function sliceSizes(g: ConvGeometry, { rows, columns, columnSums }: SliceLayout) {
  const filterSize = g.kernel[0] * g.kernel[1] * rows.paddedChannels * columns.paddedChannels;
  return { filterSize, sliceSize: filterSize + (columnSums ? g.outChannels : 0) };
}

/** Most slices of `values` elements for one replica that fit into an array, and along an axis of a dispatch. */
export const sliceCapacity = (device: Device, values: number): number =>
  Math.min(arrayCapacity(device, values), device.limits.maxComputeWorkgroupsPerDimension);

/**
 * Computes a weight gradient as the sum of `slices` partial sums, added up in order. `compute` writes them for as many replicas at once
 * as fit into an array. A single slice in the layout of dw is written to dw directly. The caller plans no more slices than fit into an
 * array for one replica, so that the bits do not depend on the number of replicas.
 * @param options.scratch elements of the largest other array that `compute` creates for one replica
 * @param compute writes the partial sums of `replicas` to `to` [replicas, slices, slice], from replica `targetOffset` of it on
 */
export function reduceInSlices(
  dw: DeviceArray,
  slices: number,
  g: ConvGeometry,
  options: Partial<SliceLayout> & { scratch?: number },
  compute: (to: DeviceArray, replicas: IndexRange, targetOffset: number) => void,
): void {
  const { device } = dw;
  const { rows = unpadded(g.inChannels), columns = unpadded(g.outChannels), columnSums, scratch = 0 } = options;
  // Some kernels have slices and replicas along one axis of their grid.
  const maxReplicas = Math.floor(device.limits.maxComputeWorkgroupsPerDimension / slices);
  if (slices === 1 && !options.rows && !columnSums) {
    for (const replicas of chunkRanges(dw.replicas, maxReplicas)) compute(dw, replicas, replicas.first);
    return;
  }
  const layout = { rows, columns, columnSums };
  const size = slices * sliceSizes(g, layout).sliceSize;
  for (const replicas of chunkRanges(
    dw.replicas,
    Math.min(maxReplicas, arrayCapacity(device, Math.max(size, scratch))),
  )) {
    const partial = DeviceArray.empty(device, [size], { replicas: replicas.count });
    compute(partial, replicas, 0);
    addSlices(partial, dw, slices, g, layout, replicas.first);
    partial.dispose();
  }
}

/** Adds up the slices of the replicas in `partial`, which are those from `firstReplica` on. */
function addSlices(
  partial: DeviceArray,
  dw: DeviceArray,
  slices: number,
  g: ConvGeometry,
  layout: SliceLayout,
  firstReplica: number,
): void {
  const { rows, columns, columnSums } = layout;
  const { filterSize, sliceSize } = sliceSizes(g, layout);
  const add = (to: DeviceArray, params: number[], first: number) =>
    runKernel(
      to.device,
      { name: 'add_slices', code },
      [slices, ...params, first, sliceSize, firstReplica],
      [partial, to],
      elementwiseWorkgroups(to.size, partial.replicas),
    );
  const taps = g.kernel[0] * g.kernel[1];
  add(
    dw,
    [taps, g.inChannels, g.outChannels, rows.paddedChannels, columns.paddedChannels, rows.width, columns.width],
    0,
  );
  if (columnSums) add(columnSums, [1, 1, g.outChannels, 1, g.outChannels, 4, 4], filterSize);
}
