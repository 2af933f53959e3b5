import type { DeviceArray } from '../kernels/array.ts';
import { moveWindow } from '../kernels/view.ts';

/** The elements of `from` in an array of its shape, or in a new one. */
export const copyOf = (from: DeviceArray, into?: DeviceArray): DeviceArray =>
  moveWindow(
    'copy',
    from,
    from.shape.map(() => 0),
    from.shape,
    into ? { into } : {},
  );
