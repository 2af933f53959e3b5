import { DeviceArray } from '../../kernels/array.ts';

/** A range of the flat buffers: `offset` and `size` in elements, `firstBlock` and `blocks` in rows of the block table. */
export interface FlatRange {
  offset: number;
  size: number;
  firstBlock: number;
  blocks: number;
}

/** A view [size] of a range of a flat buffer. */
export function sliceFlat(flat: DeviceArray, { offset, size }: { offset: number; size: number }): DeviceArray {
  return new DeviceArray(flat.device, [size], flat.dtype, 1, flat.storage.view(4 * offset, 4 * size));
}
