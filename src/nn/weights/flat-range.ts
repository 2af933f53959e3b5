import { DeviceArray } from '../../kernels/array.ts';

/** A range of the flat buffers: its elements, and its blocks in the table of blocks. */
export interface FlatRange {
  offset: number;
  size: number;
  firstBlock: number;
  blocks: number;
}

/** A range of a flat buffer as an array of its own. */
export function sliceFlat(flat: DeviceArray, { offset, size }: { offset: number; size: number }): DeviceArray {
  return new DeviceArray(flat.device, [size], flat.dtype, 1, flat.storage.view(4 * offset, 4 * size));
}
