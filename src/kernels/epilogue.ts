import type { DeviceArray } from './array.ts';

/** What is done to the results of a matrix product as they are stored. */
export interface Epilogue {
  /** Added to every row. */
  bias?: DeviceArray | null;
  relu?: boolean;
  /** A ReLU's output, of the result's shape: the result is 0 where that is, as the gradient before that ReLU. Instead of the others. */
  through?: DeviceArray | null;
}

/** As the kernels have it: whether there is a bias, and 1 for a ReLU or 2 for the gradient of one. */
export const epilogueFlags = ({ bias, relu, through }: Epilogue): [number, number] =>
  through ? [0, 2] : [bias ? 1 : 0, relu ? 1 : 0];

/** What is bound as the bias: it, or the ReLU's output in its place, or anything where neither is read. */
export const epilogueArray = ({ bias, through }: Epilogue, unread: DeviceArray): DeviceArray =>
  through ?? bias ?? unread;
