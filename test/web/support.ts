import { Dense, type Device, Flatten, type ImageSet, Sequential } from '../../src/node.ts';

/**
 * Softmax of a dense layer on the image, in float64: the output of `denseModel`.
 * @param weights [pixels, classes], then the biases
 */
export function denseProbabilities(pixels: ArrayLike<number>, weights: ArrayLike<number>, classes: number): number[] {
  const logits = Array.from({ length: classes }, (_, c) => {
    let sum = weights[pixels.length * classes + c]!;
    for (let i = 0; i < pixels.length; i++) sum += (pixels[i]! / 255) * weights[i * classes + c]!;
    return sum;
  });
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** One dense layer with a softmax on the images of a set, and its weights [pixels * classes + classes] of each replica. */
export async function denseModel(device: Device, { shape, classes }: ImageSet, seeds: number[]) {
  const model = new Sequential([
    new Flatten({ inputShape: shape }),
    new Dense({ units: classes.length, activation: 'softmax' }),
  ]).build(device, { seed: seeds });
  const [kernel, bias] = await model.getWeights();
  const replicas = seeds.map((_, r) => {
    const part = ({ data }: { data: Float32Array }) => {
      return data.subarray((r * data.length) / seeds.length, ((r + 1) * data.length) / seeds.length);
    };
    return Float32Array.of(...part(kernel!), ...part(bias!));
  });
  return { model, replicas };
}
