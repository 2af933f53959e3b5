import packFilterCode from '../../../shaders/conv2d/pack_filter.wgsl';
import { DeviceArray } from '../array.ts';
import type { ChannelAxis } from '../matmul/add-slices.ts';
import { elementwiseWorkgroups, type IndexRange, runKernel } from '../run.ts';
import type { ConvGeometry } from './conv-geometry.ts';

/**
 * Copies the filters of some replicas [KH, KW, Ci, Co] into padded channel axes [KH, KW, row, column]. The caller disposes the copy.
 * @param flip whether to rotate the filter by 180 degrees and exchange its channel axes, for the input gradient
 */
export function packFilter(
  filter: DeviceArray,
  g: ConvGeometry,
  flip: boolean,
  row: ChannelAxis,
  column: ChannelAxis,
  { first, count }: IndexRange = { first: 0, count: filter.replicas },
): DeviceArray {
  const taps = g.kernel[0] * g.kernel[1];
  const packed = DeviceArray.empty(filter.device, [...g.kernel, row.paddedChannels, column.paddedChannels], {
    replicas: count,
  });
  runKernel(
    filter.device,
    { name: 'pack_filter', code: packFilterCode, constants: { FLIP: flip ? 1 : 0 } },
    [taps, g.inChannels, g.outChannels, row.paddedChannels, column.paddedChannels, row.width, column.width, first],
    [filter, packed],
    elementwiseWorkgroups(taps * row.paddedChannels * Math.ceil(column.paddedChannels / 4), packed.replicas),
  );
  return packed;
}
