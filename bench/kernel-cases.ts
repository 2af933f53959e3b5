import { augmentation } from './augmentation-cases.ts';
import { convolution, dense, depthwiseConvolution, type KernelCase, product } from './kernel-case.ts';
import { adamStep, batchNormalization, crossEntropy, pooling, softmaxRows, sum } from './memory-cases.ts';

/** Batch size of MobileNetV2: enough images for a graphics card, few enough for a CPU. */
const MOBILENET = 8;

/** Returns the cases of a 1x1 convolution of MobileNetV2 on images of `side` x `side`. */
const pointwise = (name: string, side: number, from: number, to: number) =>
  convolution(name, { x: [MOBILENET, side, side, from], filter: [1, 1, from, to] });

/** All timed kernels, by the coursework whose shapes they have: A LeNet-5, B VGG, C and D MLPs, ... */
export const kernelCases: readonly KernelCase[] = [
  ...[256, 512, 1024, 2048].map((n) => product(`gemm-${n}`, { m: n, k: n, n })),

  // A: LeNet-5, batch 256.
  ...convolution('lenet-conv1', { x: [256, 32, 32, 3], filter: [5, 5, 3, 6], first: true }),
  ...convolution('lenet-conv2', { x: [256, 14, 14, 6], filter: [5, 5, 6, 16] }),
  ...dense('lenet-dense1', 256, 400, 120),
  ...dense('lenet-dense2', 256, 120, 84),
  ...dense('lenet-dense3', 256, 84, 10),
  ...pooling('lenet-max-pool1', 'max', [256, 28, 28, 6], 2),
  ...pooling('lenet-max-pool2', 'max', [256, 10, 10, 16], 2),
  crossEntropy('lenet-cross-entropy', 256, 10),
  adamStep('lenet-adam', 62_006),

  // B1: the small VGG, batch 32.
  ...convolution('vgg-conv1', { x: [32, 32, 32, 3], filter: [3, 3, 3, 32], padding: 'same', first: true }),
  ...convolution('vgg-conv2', { x: [32, 32, 32, 32], filter: [3, 3, 32, 32], padding: 'same' }),
  ...convolution('vgg-conv3', { x: [32, 16, 16, 32], filter: [3, 3, 32, 64], padding: 'same' }),
  ...convolution('vgg-conv4', { x: [32, 16, 16, 64], filter: [3, 3, 64, 64], padding: 'same' }),
  ...convolution('vgg-conv5', { x: [32, 8, 8, 64], filter: [3, 3, 64, 128], padding: 'same' }),
  ...convolution('vgg-conv6', { x: [32, 8, 8, 128], filter: [3, 3, 128, 128], padding: 'same' }),
  ...dense('vgg-dense1', 32, 512, 256),
  ...dense('vgg-dense2', 32, 256, 64),
  ...dense('vgg-dense3', 32, 64, 10),
  ...pooling('vgg-max-pool1', 'max', [32, 32, 32, 32], 2),
  ...pooling('vgg-max-pool2', 'max', [32, 16, 16, 64], 2),
  adamStep('vgg-adam', 435_434),

  // C: the tuned MLP, batch 32, and the average pooling of C3.
  ...dense('mlpbn-dense1', 32, 784, 128, true),
  ...dense('mlpbn-dense2', 32, 128, 128),
  ...batchNormalization('mlpbn-batch-norm', [32, 128]),
  ...pooling('c3-average-pool', 'average', [32, 28, 28, 1], 5),

  // D1-D7: 784-32-10, batch 32.
  ...dense('mlp-dense1', 32, 784, 32, true),
  ...dense('mlp-dense2', 32, 32, 10),
  crossEntropy('mlp-cross-entropy', 32, 10),
  adamStep('mlp-adam', 25_450),

  // D9 and D10: convolutional nets on CIFAR-10, batch 32.
  ...convolution('d9-conv1', { x: [32, 32, 32, 3], filter: [3, 3, 3, 32], first: true }),
  ...convolution('d9-conv2', { x: [32, 15, 15, 32], filter: [3, 3, 32, 64] }),
  ...convolution('d9-conv3', { x: [32, 6, 6, 64], filter: [3, 3, 64, 64] }),
  ...dense('d9-dense1', 32, 1024, 64),
  ...convolution('d10-conv3', { x: [32, 8, 8, 64], filter: [3, 3, 64, 64], padding: 'same' }),
  ...convolution('d10-conv4', { x: [32, 4, 4, 64], filter: [3, 3, 64, 128], padding: 'same' }),
  ...convolution('d10-conv5', { x: [32, 2, 2, 128], filter: [3, 3, 128, 128], padding: 'same' }),
  ...batchNormalization('d10-batch-norm1', [32, 32, 32, 32]),
  ...batchNormalization('d10-batch-norm4', [32, 4, 4, 128]),

  // E: Fashion-MNIST, batch 50: mlp1, cnn3, and layers of cnn4 and cnn5 that differ from those of cnn3.
  ...dense('fashion-mlp1-dense1', 50, 784, 64, true),
  ...dense('fashion-mlp1-dense2', 50, 64, 5),
  ...convolution('fashion-cnn3-conv1', { x: [50, 28, 28, 1], filter: [3, 3, 1, 16], first: true }),
  ...convolution('fashion-cnn3-conv2', { x: [50, 26, 26, 16], filter: [7, 7, 16, 8] }),
  ...convolution('fashion-cnn3-conv3', { x: [50, 10, 10, 8], filter: [5, 5, 8, 16] }),
  ...convolution('fashion-cnn4-conv2', { x: [50, 26, 26, 16], filter: [5, 5, 16, 8] }),
  ...convolution('fashion-cnn5-conv2', { x: [50, 26, 26, 16], filter: [3, 3, 16, 8] }),
  ...convolution('fashion-cnn5-conv3', { x: [50, 24, 24, 8], filter: [3, 3, 8, 8] }),

  // B9 and B10: MobileNetV2 at 224x224; early, middle and late blocks.
  ...depthwiseConvolution('mobilenet-depthwise1', [MOBILENET, 112, 112, 32], 1),
  ...depthwiseConvolution('mobilenet-depthwise2', [MOBILENET, 112, 112, 96], 2),
  ...depthwiseConvolution('mobilenet-depthwise3', [MOBILENET, 14, 14, 576], 1),
  // At 96x96, batch 32: an early and a late block.
  ...depthwiseConvolution('mobilenet-depthwise4', [32, 48, 48, 96], 2),
  ...depthwiseConvolution('mobilenet-depthwise5', [32, 6, 6, 576], 1),
  ...pointwise('mobilenet-pointwise1', 56, 24, 144),
  ...pointwise('mobilenet-pointwise2', 14, 96, 576),
  ...pointwise('mobilenet-pointwise3', 14, 576, 96),
  ...pointwise('mobilenet-pointwise4', 7, 320, 1280),
  adamStep('mobilenet-adam', 2_257_984),

  // Convolutions with strides instead of pooling.
  ...convolution('strided-conv2', { x: [32, 32, 32, 32], filter: [3, 3, 32, 64], padding: 'same', strides: 2 }),
  ...convolution('strided-conv3', { x: [32, 16, 16, 64], filter: [5, 5, 64, 16], padding: 'same', strides: 2 }),
  ...convolution('strided-patches', { x: [8, 32, 32, 16], filter: [4, 4, 16, 64], strides: 4 }),

  // Other reductions: bias gradients of the small VGG, a loss, the global average of MobileNetV2; many classes.
  sum('sum-bias-vgg-conv2', 1, 32_768, 32),
  sum('sum-bias-vgg-conv6', 1, 2048, 128),
  sum('sum-bias-lenet-conv1', 1, 200_704, 6),
  sum('sum-loss-100000', 1, 100_000, 1),
  sum('sum-rows-1000', 256, 1000, 1),
  sum('sum-rows-100', 4096, 100, 1),
  sum('sum-global-average-pool', MOBILENET, 49, 1280),
  softmaxRows('softmax-32-1000', 32, 1000),
  softmaxRows('softmax-1024-100', 1024, 100),
  crossEntropy('cross-entropy-32-1000', 32, 1000),
  crossEntropy('cross-entropy-1024-100', 1024, 100),

  // Random image layers, batch 32.
  ...augmentation('augment-32', [32, 32, 32, 3]),
  ...augmentation('augment-96', [32, 96, 96, 3]),
];
