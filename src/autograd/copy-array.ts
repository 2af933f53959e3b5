import type { DeviceArray } from '../kernels/array.ts';
import { padOrSlice } from '../kernels/view.ts';

/** Copies `from` to `into`, an array of the same shape, or to a new array. */
export const copyArray = (from: DeviceArray, into?: DeviceArray): DeviceArray =>
  padOrSlice(
    'copy',
    from,
    from.shape.map(() => 0),
    from.shape,
    into ? { into } : {},
  );
