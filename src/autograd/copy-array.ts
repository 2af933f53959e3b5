import type { DeviceArray } from '../kernels/array.ts';
import { padOrSlice } from '../kernels/view.ts';

/** The elements of `from` in an array of its shape, or in a new one. */
export const copyArray = (from: DeviceArray, into?: DeviceArray): DeviceArray =>
  padOrSlice(
    'copy',
    from,
    from.shape.map(() => 0),
    from.shape,
    into ? { into } : {},
  );
