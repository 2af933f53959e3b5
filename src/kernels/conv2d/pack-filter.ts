import packFilterCode from '../../../shaders/conv2d/pack_filter.wgsl';
import { DeviceArray } from '../array.ts';
import type { ChannelAxis } from '../matmul/add-slices.ts';
import { elementwise, type Part, runKernel } from '../run.ts';
import type { ConvGeometry } from './conv-geometry.ts';

/** The filters of some models with their channel axes laid out anew; `flip` turns them for the input gradient. The caller disposes them. */
export function packFilter(
  filter: DeviceArray,
  g: ConvGeometry,
  flip: boolean,
  row: ChannelAxis,
  column: ChannelAxis,
  { first, count }: Part = { first: 0, count: filter.models },
): DeviceArray {
  const taps = g.kernel[0] * g.kernel[1];
  const packed = DeviceArray.empty(filter.device, [...g.kernel, row.places, column.places], { models: count });
  runKernel(
    filter.device,
    { name: 'pack_filter', code: packFilterCode, constants: { FLIP: flip ? 1 : 0 } },
    [taps, g.inChannels, g.outChannels, row.places, column.places, row.width, column.width, first],
    [filter, packed],
    elementwise(taps * row.places * Math.ceil(column.places / 4), packed.models),
  );
  return packed;
}
