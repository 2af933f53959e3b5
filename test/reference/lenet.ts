import { conv2d } from './conv2d.ts';
import { softmaxCrossEntropy } from './loss.ts';
import { linear } from './matmul.ts';
import { type NdArray, ndarray, zerosLike } from './ndarray.ts';
import { type AdamOptions, type AdamState, adamStep } from './optimizers.ts';
import { maxPool2d } from './pooling.ts';
import type { Reference } from './reference.ts';
import { reshape } from './shape.ts';

/** LeNet-5 for 32x32x3 images and 10 classes: shapes of [kernel, bias] for each layer; 62,006 parameters in all. */
export const lenetShapes: readonly (readonly number[])[] = [
  [5, 5, 3, 6],
  [6],
  [5, 5, 6, 16],
  [16],
  [400, 120],
  [120],
  [120, 84],
  [84],
  [84, 10],
  [10],
];

interface Layer {
  reference: Reference;
  attrs: object;
  /** Index of its kernel in the list of weights, followed by its bias; undefined for a layer without weights. */
  weightsAt?: number;
}

function lenetLayers(batch: number): Layer[] {
  return [
    { reference: conv2d, attrs: { activation: 'relu' }, weightsAt: 0 },
    { reference: maxPool2d, attrs: { poolSize: 2 } },
    { reference: conv2d, attrs: { activation: 'relu' }, weightsAt: 2 },
    { reference: maxPool2d, attrs: { poolSize: 2 } },
    { reference: reshape, attrs: { shape: [batch, 400] } },
    { reference: linear, attrs: { activation: 'relu' }, weightsAt: 4 },
    { reference: linear, attrs: { activation: 'relu' }, weightsAt: 6 },
    { reference: linear, attrs: {}, weightsAt: 8 },
  ];
}

/** Mean cross-entropy of a batch, and its gradient with respect to every weight. */
export function lenetGradients(
  images: NdArray,
  labels: NdArray,
  weights: readonly NdArray[],
): { loss: number; logits: NdArray; grads: NdArray[] } {
  const layers = lenetLayers(images.shape[0]!);
  const inputsOf = ({ weightsAt }: Layer, x: NdArray): NdArray[] =>
    weightsAt === undefined ? [x] : [x, weights[weightsAt]!, weights[weightsAt + 1]!];

  const activations = [images];
  for (const layer of layers) {
    activations.push(layer.reference.forward(inputsOf(layer, activations.at(-1)!), layer.attrs));
  }
  const logits = activations.at(-1)!;
  const loss = softmaxCrossEntropy.forward([logits, labels], {});

  const grads = weights.map(zerosLike);
  let dout = softmaxCrossEntropy.backward([logits, labels], loss, ndarray([], [1]), {})[0]!;
  for (let k = layers.length - 1; k >= 0; k--) {
    const layer = layers[k]!;
    const inputs = inputsOf(layer, activations[k]!);
    const [dx, dkernel, dbias] = layer.reference.backward(inputs, activations[k + 1]!, dout, layer.attrs);
    if (layer.weightsAt !== undefined) grads.splice(layer.weightsAt, 2, dkernel!, dbias!);
    dout = dx!;
  }
  return { loss: loss.data[0]!, logits, grads };
}

/** Takes one Adam step on a batch; changes the weights in place. Returns the loss before the step. */
export function lenetStep(
  images: NdArray,
  labels: NdArray,
  weights: readonly NdArray[],
  state: AdamState,
  options: AdamOptions = {},
): number {
  const { loss, grads } = lenetGradients(images, labels, weights);
  adamStep(weights, grads, state, options);
  return loss;
}
