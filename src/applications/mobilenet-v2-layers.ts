import { checkOptions, formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Shape } from '../kernels/array.ts';
import { input } from '../nn/graph/graph.ts';
import { ReLU } from '../nn/layers/activation.ts';
import { BatchNormalization } from '../nn/layers/batch-normalization.ts';
import { Conv2D } from '../nn/layers/conv2d.ts';
import { Dense } from '../nn/layers/dense.ts';
import { DepthwiseConv2D } from '../nn/layers/depthwise.ts';
import type { SymbolicTensor } from '../nn/layers/layer.ts';
import { Add } from '../nn/layers/merge.ts';
import { GlobalAveragePooling2D } from '../nn/layers/pooling.ts';
import { ZeroPadding2D } from '../nn/layers/shaping.ts';
import { Model } from '../training/model.ts';

/** Options of `mobileNetV2` without weights. */
export interface MobileNetV2Options {
  /** Shape of an image, with pixels in -1..1. Default [224, 224, 3]. */
  inputShape?: Shape;
  /** Factor on the number of filters of every layer. Default 1. */
  alpha?: number;
  /** Whether the network ends in pooling and a softmax over `classes`; else in the last features [h, w, 1280]. Default true. */
  includeTop?: boolean;
  /** Units of the softmax at the end. Default 1000. */
  classes?: number;
  /** Name of the model. Default `mobilenetv2`. */
  name?: string;
}

/** Filters, stride and number of inverted residual blocks of each stage; only the first block of a stage has the stride. */
const STAGES = [
  { filters: 16, stride: 1, blocks: 1 },
  { filters: 24, stride: 2, blocks: 2 },
  { filters: 32, stride: 2, blocks: 3 },
  { filters: 64, stride: 2, blocks: 4 },
  { filters: 96, stride: 1, blocks: 3 },
  { filters: 160, stride: 2, blocks: 3 },
  { filters: 320, stride: 1, blocks: 1 },
];

/**
 * MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381) with the layers, names and parameter counts of Keras's
 * `applications.MobileNetV2`, so weights published for that fit. `build` draws the weights at random; the function that tilegrad exports
 * under this name also loads published ones.
 * @throws ArgumentError for an alpha that is not positive; ShapeError for samples that are not images
 */
export function mobileNetV2(options: MobileNetV2Options = {}, ...surplus: never[]): Model {
  checkOptions(
    'mobileNetV2',
    options,
    {
      inputShape: true,
      alpha: true,
      includeTop: true,
      classes: true,
      name: true,
    },
    surplus,
  );
  const { inputShape = [224, 224, 3], alpha = 1, includeTop = true, classes = 1000, name = 'mobilenetv2' } = options;
  if (!Number.isFinite(alpha) || alpha <= 0) {
    throw new ArgumentError(`mobileNetV2: alpha must be a positive number, but is ${formatValue(alpha)}`);
  }
  const image = input(inputShape);
  const first = {
    filters: roundToMultipleOf8(32 * alpha),
    kernelSize: 3,
    strides: 2,
    padding: 'same' as const,
    useBias: false,
  };
  let x = normalize(new Conv2D({ ...first, name: 'Conv1' }).apply(image), 'bn_Conv1', 'Conv1_relu');
  let id = 0;
  for (const { filters, stride, blocks } of STAGES) {
    for (let i = 0; i < blocks; i++) {
      x = invertedResidual(x, {
        filters: roundToMultipleOf8(Math.trunc(filters * alpha)),
        stride: i === 0 ? stride : 1,
        id: id++,
      });
    }
  }
  const filters = alpha > 1 ? roundToMultipleOf8(1280 * alpha) : 1280;
  x = new Conv2D({ filters, kernelSize: 1, useBias: false, name: 'Conv_1' }).apply(x);
  x = normalize(x, 'Conv_1_bn', 'out_relu');
  if (includeTop) {
    x = new GlobalAveragePooling2D({ name: 'global_average_pooling2d' }).apply(x);
    x = new Dense({ units: classes, activation: 'softmax', name: 'predictions' }).apply(x);
  }
  return new Model({ inputs: image, outputs: x, name });
}

/** The nearest multiple of 8 that is at least 0.9 n, as in the paper's reference code: hardware is faster with such channel counts. */
function roundToMultipleOf8(n: number): number {
  const nearest = Math.max(8, Math.floor((n + 4) / 8) * 8);
  return nearest < 0.9 * n ? nearest + 8 : nearest;
}

function normalize(x: SymbolicTensor, name: string, relu?: string): SymbolicTensor {
  const y = new BatchNormalization({ epsilon: 1e-3, momentum: 0.999, name }).apply(x);
  return relu ? new ReLU({ maxValue: 6, name: relu }).apply(y) : y;
}

/**
 * A 1x1 convolution to six times the channels (not in the first block), a depthwise convolution, and a 1x1 projection; plus a residual
 * connection if the shape stays the same.
 */
function invertedResidual(
  x: SymbolicTensor,
  { filters, stride, id }: { filters: number; stride: number; id: number },
): SymbolicTensor {
  const prefix = id === 0 ? 'expanded_conv_' : `block_${id}_`;
  const named = (part: string) => prefix + part;
  const pointwise = (filters: number, part: string) =>
    new Conv2D({ filters, kernelSize: 1, padding: 'same', useBias: false, name: named(part) });
  const [height, width, channels] = x.shape as [number, number, number];
  let y = x;
  if (id > 0) {
    y = pointwise(6 * channels, 'expand').apply(y);
    y = normalize(y, named('expand_BN'), named('expand_relu'));
  }
  if (stride === 2) {
    // The zeros that 'same' would add. Keras has a separate layer for them; so has this network, for equal layer counts.
    const around = (size: number): [number, number] => [size % 2, 1];
    y = new ZeroPadding2D({ padding: [around(height), around(width)], name: named('pad') }).apply(y);
  }
  const padding = stride === 1 ? ('same' as const) : ('valid' as const);
  y = new DepthwiseConv2D({ kernelSize: 3, strides: stride, padding, useBias: false, name: named('depthwise') }).apply(
    y,
  );
  y = normalize(y, named('depthwise_BN'), named('depthwise_relu'));
  y = normalize(pointwise(filters, 'project').apply(y), named('project_BN'));
  return channels === filters && stride === 1 ? new Add({ name: named('add') }).apply([x, y]) : y;
}
