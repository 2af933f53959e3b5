import type { ProblemSizes } from '../../gpu/kernel-selection.ts';
import type { ConvGeometry } from './conv-geometry.ts';

/** The sizes by which the kernels of a convolution are chosen. */
export function sizesOf(g: ConvGeometry): ProblemSizes {
  return {
    ...{ batch: g.batch, height: g.input[0], width: g.input[1], channels: g.inChannels },
    ...{ outHeight: g.output[0], outWidth: g.output[1], outChannels: g.outChannels },
    ...{ kernelHeight: g.kernel[0], kernelWidth: g.kernel[1], strideY: g.strides[0], strideX: g.strides[1] },
    ...{ padY: g.pad[0], padX: g.pad[1], dilationY: g.dilation[0], dilationX: g.dilation[1] },
  };
}

/** The inverse of `sizesOf`. */
export function geometryOf(sizes: ProblemSizes): ConvGeometry {
  const pair = (first: string, second: string): [number, number] => [sizes[first] ?? 0, sizes[second] ?? 0];
  return {
    ...{ batch: sizes.batch ?? 0, input: pair('height', 'width'), inChannels: sizes.channels ?? 0 },
    ...{ output: pair('outHeight', 'outWidth'), outChannels: sizes.outChannels ?? 0 },
    ...{ kernel: pair('kernelHeight', 'kernelWidth'), strides: pair('strideY', 'strideX') },
    ...{ pad: pair('padY', 'padX'), dilation: pair('dilationY', 'dilationX') },
  };
}

/** The padding that leads to a geometry. */
export function paddingOf(g: ConvGeometry): 'valid' | 'same' {
  const valid = ([0, 1] as const).every((axis) => {
    const extent = (g.kernel[axis] - 1) * g.dilation[axis] + 1;
    return g.pad[axis] === 0 && g.output[axis] === Math.floor((g.input[axis] - extent) / g.strides[axis]) + 1;
  });
  return valid ? 'valid' : 'same';
}
