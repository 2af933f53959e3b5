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

/** What a slice of a weight gradient's partial sums is, where it is not laid out as the gradient. */
interface SliceLayout {
  rows: ChannelAxis;
  columns: ChannelAxis;
  /** Gets the sums of dy's columns, whose parts follow in each slice. */
  columnSums?: DeviceArray;
}

/** Values of one replica's slice: for the filter, and at all. */
function sliceSizes(g: ConvGeometry, { rows, columns, columnSums }: SliceLayout) {
  const filterSize = g.kernel[0] * g.kernel[1] * rows.paddedChannels * columns.paddedChannels;
  return { filterSize, sliceSize: filterSize + (columnSums ? g.outChannels : 0) };
}

/** Slices of so many values of one replica that there is room for: in an array, and along an axis of a dispatch. */
export const sliceCapacity = (device: Device, values: number): number =>
  Math.min(arrayCapacity(device, values), device.limits.maxComputeWorkgroupsPerDimension);

/**
 * A weight gradient as partial sums, which `compute` writes for some of the replicas, and which are added up in their order. A single
 * slice laid out as dw is dw. The caller cuts no more slices than an array holds for one replica: no replica's bits may depend on the
 * number of replicas. This takes as many replicas at once as fit.
 * @param options.scratch values of one replica's largest other array that `compute` makes
 * @param compute gets an array of [replicas, slices, a slice], and the index in it of the first of these replicas
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
  const dispatched = Math.floor(device.limits.maxComputeWorkgroupsPerDimension / slices);
  if (slices === 1 && !options.rows && !columnSums) {
    for (const replicas of chunkRanges(dw.replicas, dispatched)) compute(dw, replicas, replicas.first);
    return;
  }
  const layout = { rows, columns, columnSums };
  const size = slices * sliceSizes(g, layout).sliceSize;
  for (const replicas of chunkRanges(
    dw.replicas,
    Math.min(dispatched, arrayCapacity(device, Math.max(size, scratch))),
  )) {
    const partial = DeviceArray.empty(device, [size], { replicas: replicas.count });
    compute(partial, replicas, 0);
    addSlices(partial, dw, slices, g, layout, replicas.first);
    partial.dispose();
  }
}

/** `partial` may hold only some of the replicas, from `firstReplica` on. */
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
