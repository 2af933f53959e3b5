import patchesCode from '../../../shaders/conv2d/conv2d_patches.wgsl';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray, sizeOf } from '../array.ts';
import { matmul } from '../matmul/matmul.ts';
import { arrayCapacity, chunkRanges, elementwiseWorkgroups, type IndexRange, runKernel } from '../run.ts';
import { type ConvGeometry, convFlops, filterShape, geometryParams, outputShape } from './conv-geometry.ts';

// The weight gradient as a matrix product of patches (im2col) with dy. The patches are written to memory first. Meant for filters of few
// input channels, whose patches are small, with strides, which no other optimized kernel supports.

const pixelsOf = (g: ConvGeometry) => g.batch * g.output[0] * g.output[1];
const tapsOf = (g: ConvGeometry) => g.kernel[0] * g.kernel[1] * g.inChannels;

/** Fewest replicas of `size` elements that fill a multiple of 64 elements, where a binding may begin. */
const aligned = (size: number): number => [1, 2, 4, 8, 16, 32].find((replicas) => (replicas * size) % 64 === 0) ?? 64;

/** Replicas are computed in groups of a multiple of this number. */
const replicaMultiple = (g: ConvGeometry) => Math.max(aligned(sizeOf(outputShape(g))), aligned(sizeOf(filterShape(g))));

export const supportsForward = (): boolean => false;
export const supportsInputGrad = (): boolean => false;
export const supportsWeightGrad = (device: Device, g: ConvGeometry): boolean =>
  convFlops(g, 1) > 0 && arrayCapacity(device, pixelsOf(g) * tapsOf(g)) >= replicaMultiple(g);

/** A view of some replicas of an array as a matrix [rows, columns]. The caller disposes it. */
function rowsOf(array: DeviceArray, { first, count }: IndexRange, columns: number): DeviceArray {
  const { device, size, storage } = array;
  const view = storage.view(4 * first * size, 4 * count * size);
  return new DeviceArray(device, [size / columns, columns], 'f32', count, view);
}

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const { device } = x;
  const capacity = arrayCapacity(device, pixelsOf(g) * tapsOf(g));
  for (const some of chunkRanges(dw.replicas, capacity - (capacity % replicaMultiple(g)))) {
    const patches = DeviceArray.empty(device, [pixelsOf(g), tapsOf(g)], { replicas: some.count });
    runKernel(
      device,
      { name: 'conv2d_patches', code: patchesCode },
      [...geometryParams(g), some.first],
      [x, patches],
      elementwiseWorkgroups(pixelsOf(g) * g.kernel[0], some.count),
      { bytes: 8 * some.count * patches.size },
    );
    const [drows, into] = [rowsOf(dy, some, g.outChannels), rowsOf(dw, some, g.outChannels)];
    matmul(patches, drows, { transposeA: true, into });
    for (const array of [patches, drows, into]) array.dispose();
  }
}
