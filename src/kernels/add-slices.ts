import code from '../../shaders/add_slices.wgsl';
import type { DeviceArray } from './array.ts';
import type { ConvGeometry } from './conv-geometry.ts';
import { elementwise, runKernel } from './run.ts';

/** How an axis of channels is laid out: `places` in groups of four, each filled up to `width` with channels. */
export interface ChannelAxis {
  places: number;
  width: number;
}

const plain = (channels: number): ChannelAxis => ({ places: channels, width: 4 });

/**
 * The second pass of a weight gradient: adds `slices` partial sums in their order. Where there are `columnSums` too, those of
 * dy, their parts follow in each slice. `partial` may hold only some of the models, from `firstModel` on.
 */
export function addSlices(
  partial: DeviceArray,
  dw: DeviceArray,
  slices: number,
  g: ConvGeometry,
  options: { rows?: ChannelAxis; columns?: ChannelAxis; columnSums?: DeviceArray; firstModel?: number } = {},
): void {
  const { rows = plain(g.inChannels), columns = plain(g.outChannels), columnSums, firstModel = 0 } = options;
  const taps = g.kernel[0] * g.kernel[1];
  const ofFilter = taps * rows.places * columns.places;
  const step = ofFilter + (columnSums ? g.outChannels : 0);
  const add = (to: DeviceArray, params: number[], first: number) =>
    runKernel(
      to.device,
      { name: 'add_slices', code },
      [slices, ...params, first, step, firstModel],
      [partial, to],
      elementwise(to.size, partial.models),
    );
  add(dw, [taps, g.inChannels, g.outChannels, rows.places, columns.places, rows.width, columns.width], 0);
  if (columnSums) add(columnSums, [1, 1, g.outChannels, 1, g.outChannels, 4, 4], ofFilter);
}
