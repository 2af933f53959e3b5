import { type NdArray, ndarray } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface ReshapeAttrs {
  shape: readonly number[];
}

/** The same values under another shape, and back. */
export const reshape: Reference<[x: NdArray], ReshapeAttrs> = {
  forward: ([x], { shape }) => ndarray(shape, x.data),
  backward: ([x], _output, dout) => [ndarray(x.shape, dout.data)],
};
