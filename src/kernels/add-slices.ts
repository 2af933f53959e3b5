import code from '../../shaders/add_slices.wgsl';
import type { DeviceArray } from './array.ts';
import type { ConvGeometry } from './conv-geometry.ts';
import { elementwise, runKernel } from './run.ts';

/** How an axis of channels lies in the partial sums: `places` in groups of four, each filled up to `width` with channels. */
interface Axis {
  places: number;
  width: number;
}

const plain = (channels: number): Axis => ({ places: channels, width: 4 });

/**
 * The second pass of a weight gradient: adds `slices` partial sums in their order. Where there are `columnSums` too, those of
 * dy, their parts follow in each slice.
 */
export function addSlices(
  partial: DeviceArray,
  dw: DeviceArray,
  slices: number,
  g: ConvGeometry,
  options: { rows?: Axis; columns?: Axis; columnSums?: DeviceArray } = {},
): void {
  const { rows = plain(g.inChannels), columns = plain(g.outChannels), columnSums } = options;
  const taps = g.kernel[0] * g.kernel[1];
  const ofFilter = taps * rows.places * columns.places;
  const step = ofFilter + (columnSums ? g.outChannels : 0);
  const add = (to: DeviceArray, params: number[], first: number) =>
    runKernel(
      to.device,
      { name: 'add_slices', code },
      [slices, ...params, first, step],
      [partial, to],
      elementwise(to.size, to.models),
    );
  add(dw, [taps, g.inChannels, g.outChannels, rows.places, columns.places, rows.width, columns.width], 0);
  if (columnSums) add(columnSums, [1, 1, g.outChannels, 1, g.outChannels, 4, 4], ofFilter);
}
