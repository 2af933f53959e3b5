import depthwiseCode from '../../shaders/depthwise/depthwise_conv2d.wgsl';
import inputGradCode from '../../shaders/depthwise/depthwise_conv2d_input_grad.wgsl';
import weightGradCode from '../../shaders/depthwise/depthwise_conv2d_weight_grad.wgsl';
import longSumCode from '../../shaders/reduce/long_sum.wgsl';
import type { DeviceArray, Shape } from './array.ts';
import { inputShape, outputShape } from './conv2d/conv-geometry.ts';
import {
  type DepthwiseGeometry,
  type DepthwiseKernel,
  type DepthwiseRun,
  type DepthwiseVariant,
  depthwiseConv2d,
  depthwiseInputGrad,
  depthwiseSupports,
  depthwiseVariants,
  depthwiseWeightGrad,
} from './depthwise/depthwise.ts';
import { depthwiseFlops, depthwiseGeometryOf } from './depthwise/depthwise-geometry.ts';
import { sampleSources } from './depthwise/depthwise-strips-codegen.ts';
import type { Tunable } from './tunable.ts';

const filterShape = (g: DepthwiseGeometry): Shape => [...g.kernel, g.inChannels, g.multiplier];

/** The parts that differ between the three kernels of a depthwise convolution. */
interface KernelSpec {
  inputs(g: DepthwiseGeometry): readonly Shape[];
  output(g: DepthwiseGeometry): Shape;
  sumLength(g: DepthwiseGeometry): number;
  run(g: DepthwiseGeometry, inputs: readonly DeviceArray[], options: DepthwiseRun): void;
}

const depthwise = (kernel: DepthwiseKernel, spec: KernelSpec): Tunable => ({
  variants: depthwiseVariants,
  // Generated shaders: samples stand for the code that generates them.
  shaders: [depthwiseCode, inputGradCode, weightGradCode, longSumCode, ...sampleSources()],
  supports: (variant, device, sizes) =>
    depthwiseSupports(kernel, variant as DepthwiseVariant, device, depthwiseGeometryOf(sizes)),
  inputs: (sizes) => spec.inputs(depthwiseGeometryOf(sizes)),
  output: (sizes) => spec.output(depthwiseGeometryOf(sizes)),
  sumLength: (sizes) => spec.sumLength(depthwiseGeometryOf(sizes)),
  flops: (sizes) => depthwiseFlops(depthwiseGeometryOf(sizes), 1),
  run: (variant, sizes, inputs, into) =>
    spec.run(depthwiseGeometryOf(sizes), inputs, { variant: variant as DepthwiseVariant, into }),
});

export const depthwiseTunables = {
  depthwiseConv2d: depthwise('forward', {
    inputs: (g) => [inputShape(g), filterShape(g)],
    output: outputShape,
    sumLength: ({ kernel }) => kernel[0] * kernel[1],
    run: (g, [x, filter], options) => void depthwiseConv2d(x!, filter!, null, g, options),
  }),
  depthwiseInputGrad: depthwise('inputGrad', {
    inputs: (g) => [outputShape(g), filterShape(g)],
    output: inputShape,
    sumLength: ({ kernel, multiplier }) => kernel[0] * kernel[1] * multiplier,
    run: (g, [dy, filter], options) => void depthwiseInputGrad(dy!, filter!, g, options),
  }),
  depthwiseWeightGrad: depthwise('weightGrad', {
    inputs: (g) => [inputShape(g), outputShape(g)],
    output: filterShape,
    sumLength: ({ batch, output }) => batch * output[0] * output[1],
    run: (g, [x, dy], options) => void depthwiseWeightGrad(x!, dy!, g, options),
  }),
} satisfies Record<string, Tunable>;
