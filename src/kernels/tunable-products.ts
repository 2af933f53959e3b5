import convCode from '../../shaders/conv2d/conv2d.wgsl';
import convDirectVec4Code from '../../shaders/conv2d/conv2d_direct_vec4.wgsl';
import convGemmCode from '../../shaders/conv2d/conv2d_gemm.wgsl';
import convInputGradCode from '../../shaders/conv2d/conv2d_input_grad.wgsl';
import convPatchesCode from '../../shaders/conv2d/conv2d_patches.wgsl';
import convWeightGradCode from '../../shaders/conv2d/conv2d_weight_grad.wgsl';
import convWeightGradDirectVec4Code from '../../shaders/conv2d/conv2d_weight_grad_direct_vec4.wgsl';
import convWeightGradGemmCode from '../../shaders/conv2d/conv2d_weight_grad_gemm.wgsl';
import packFilterCode from '../../shaders/conv2d/pack_filter.wgsl';
import padChannelsCode from '../../shaders/conv2d/pad_channels.wgsl';
import winograd2dOutputCode from '../../shaders/conv2d/winograd2d_output.wgsl';
import winograd2dTilesCode from '../../shaders/conv2d/winograd2d_tiles.wgsl';
import addSlicesCode from '../../shaders/matmul/add_slices.wgsl';
import matmulCode from '../../shaders/matmul/matmul.wgsl';
import matmulBlocksCode from '../../shaders/matmul/matmul_blocks.wgsl';
import matmulSlicesCode from '../../shaders/matmul/matmul_slices.wgsl';
import storeScalarsCode from '../../shaders/matmul/matmul_store_scalars.wgsl';
import storeVec4Code from '../../shaders/matmul/matmul_store_vec4.wgsl';
import matmulSubgroupCode from '../../shaders/matmul/matmul_subgroup.wgsl';
import matmulWorkgroupCode from '../../shaders/matmul/matmul_workgroup.wgsl';
import longSumCode from '../../shaders/reduce/long_sum.wgsl';
import type { ProblemSizes } from '../gpu/kernel-selection.ts';
import { type ConvGeometry, convFlops, filterShape, inputShape, outputShape } from './conv2d/conv-geometry.ts';
import { geometryOf, paddingOf } from './conv2d/conv-sizes.ts';
import {
  type Conv2dVariant,
  conv2d,
  conv2dInputGrad,
  conv2dSupports,
  conv2dVariants,
  conv2dWeightGrad,
} from './conv2d/conv2d.ts';
import { sampleSources as directRowsTexts } from './conv2d/conv2d-direct-rows-codegen.ts';
import { sampleSources as gemmTiledTexts } from './conv2d/conv2d-gemm-tiled-codegen.ts';
import { sampleSources as winograd1dTexts } from './conv2d/conv2d-winograd1d-codegen.ts';
import { epilogueShaders } from './epilogue.ts';
import { type MatmulVariant, matmul, matmulSupports, matmulVariants } from './matmul/matmul.ts';
import type { Tunable } from './tunable.ts';

const matmulProblem = (sizes: ProblemSizes) => {
  const { m = 0, n = 0, k = 0, transposeA, transposeB, batch = 1 } = sizes;
  return { m, n, k, transposeA: transposeA === 1, transposeB: transposeB === 1, outer: batch === 1 ? [] : [batch] };
};

const MATMUL_SHADERS = [
  ...[
    matmulCode,
    matmulSubgroupCode,
    matmulWorkgroupCode,
    matmulBlocksCode,
    matmulSlicesCode,
    storeVec4Code,
    storeScalarsCode,
  ],
  ...epilogueShaders,
];

const CONV_SHADERS = [
  ...[
    addSlicesCode,
    convCode,
    convInputGradCode,
    convPatchesCode,
    convDirectVec4Code,
    convWeightGradCode,
    convWeightGradDirectVec4Code,
    longSumCode,
    packFilterCode,
    padChannelsCode,
  ],
  ...[convGemmCode, convWeightGradGemmCode, winograd2dTilesCode, winograd2dOutputCode, ...MATMUL_SHADERS],
  // Generated shaders: samples stand for the code that generates them.
  ...directRowsTexts(),
  ...gemmTiledTexts(),
  ...winograd1dTexts(),
];

/**
 * Variants that hold more sums and weights than a GPU has registers: AMD's compiler spills up to 700 of an invocation's into memory. So the
 * tuner measures them on CPUs only.
 */
const CPU_ONLY: readonly string[] = ['directRows', 'winograd1d'];

/** The common parts of the three kernels of a convolution. */
function convolution(
  kernel: 'forward' | 'inputGrad' | 'weightGrad',
  spec: Pick<Tunable, 'inputs' | 'output' | 'run'> & { sumLength(g: ConvGeometry): number },
): Tunable {
  return {
    ...spec,
    variants: conv2dVariants,
    shaders: CONV_SHADERS,
    supports: (variant, device, sizes) =>
      (device.info.isSoftware || !CPU_ONLY.includes(variant)) &&
      conv2dSupports(variant as Conv2dVariant, device, geometryOf(sizes))[kernel],
    sumLength: (sizes) => spec.sumLength(geometryOf(sizes)),
    flops: (sizes) => convFlops(geometryOf(sizes), 1),
  };
}

/** Matrix products and convolutions. */
export const productTunables = {
  matmul: {
    variants: matmulVariants,
    shaders: MATMUL_SHADERS,
    supports: (variant, device, sizes) => matmulSupports(variant as MatmulVariant, device, matmulProblem(sizes)),
    inputs(sizes) {
      const { m, n, k, transposeA, transposeB, outer } = matmulProblem(sizes);
      return [
        [...outer, ...(transposeA ? [k, m] : [m, k])],
        [...outer, ...(transposeB ? [n, k] : [k, n])],
      ];
    },
    output(sizes) {
      const { m, n, outer } = matmulProblem(sizes);
      return [...outer, m, n];
    },
    sumLength: ({ k = 0 }) => k,
    flops: ({ m = 0, n = 0, k = 0, batch = 1 }) => 2 * m * n * k * batch,
    run(variant, sizes, [a, b], into) {
      const { transposeA, transposeB } = matmulProblem(sizes);
      matmul(a!, b!, { transposeA, transposeB, variant: variant as MatmulVariant, into });
    },
  },
  conv2d: convolution('forward', {
    inputs: (sizes) => [inputShape(geometryOf(sizes)), filterShape(geometryOf(sizes))],
    output: (sizes) => outputShape(geometryOf(sizes)),
    sumLength: ({ kernel, inChannels }) => kernel[0] * kernel[1] * inChannels,
    run(variant, sizes, [x, filter], into) {
      const g = geometryOf(sizes);
      const { strides, dilation } = g;
      conv2d(x!, filter!, { strides, dilation, padding: paddingOf(g), variant: variant as Conv2dVariant, into });
    },
  }),
  conv2dInputGrad: convolution('inputGrad', {
    inputs: (sizes) => [outputShape(geometryOf(sizes)), filterShape(geometryOf(sizes))],
    output: (sizes) => inputShape(geometryOf(sizes)),
    sumLength: ({ kernel, outChannels }) => kernel[0] * kernel[1] * outChannels,
    run: (variant, sizes, [dy, filter], into) =>
      void conv2dInputGrad(dy!, filter!, geometryOf(sizes), { variant: variant as Conv2dVariant, into }),
  }),
  conv2dWeightGrad: convolution('weightGrad', {
    inputs: (sizes) => [inputShape(geometryOf(sizes)), outputShape(geometryOf(sizes))],
    output: (sizes) => filterShape(geometryOf(sizes)),
    sumLength: ({ batch, output }) => batch * output[0] * output[1],
    run: (variant, sizes, [x, dy], into) =>
      void conv2dWeightGrad(x!, dy!, geometryOf(sizes), { variant: variant as Conv2dVariant, into }),
  }),
} satisfies Record<string, Tunable>;
