import code from '../../shaders/add_slices.wgsl';
import type { DeviceArray } from './array.ts';
import type { ConvGeometry } from './conv-geometry.ts';
import { elementwise, runKernel } from './run.ts';

/** How an axis of channels lies in the partial sums: `places` in groups of four, each filled up to `width` with channels. */
interface Axis {
  places: number;
  width: number;
}

/** The second pass of a weight gradient: adds `slices` partial sums in their order. */
export function addSlices(
  partial: DeviceArray,
  dw: DeviceArray,
  slices: number,
  g: ConvGeometry,
  rows: Axis = { places: g.inChannels, width: 4 },
  columns: Axis = { places: g.outChannels, width: 4 },
): void {
  runKernel(
    dw.device,
    { name: 'add_slices', code },
    [
      ...[slices, g.kernel[0] * g.kernel[1], g.inChannels, g.outChannels],
      ...[rows.places, columns.places, rows.width, columns.width],
    ],
    [partial, dw],
    elementwise(dw.size, dw.models),
  );
}
