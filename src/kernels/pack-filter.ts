import packFilterCode from '../../shaders/pack_filter.wgsl';
import type { ChannelAxis } from './add-slices.ts';
import { DeviceArray } from './array.ts';
import type { ConvGeometry } from './conv-geometry.ts';
import { elementwise, runKernel } from './run.ts';

/** The filter with its channel axes laid out anew; `flip` turns it for the input gradient. The caller disposes it. */
export function packFilter(
  filter: DeviceArray,
  g: ConvGeometry,
  flip: boolean,
  row: ChannelAxis,
  column: ChannelAxis,
): DeviceArray {
  const taps = g.kernel[0] * g.kernel[1];
  const packed = DeviceArray.empty(filter.device, [...g.kernel, row.places, column.places], { models: filter.models });
  runKernel(
    filter.device,
    { name: 'pack_filter', code: packFilterCode, constants: { FLIP: flip ? 1 : 0 } },
    [taps, g.inChannels, g.outChannels, row.places, column.places, row.width, column.width],
    [filter, packed],
    elementwise(taps * row.places * Math.ceil(column.places / 4), packed.models),
  );
  return packed;
}
