import { type Model, noGrad, scope, tensor } from '../../../src/index.ts';

/**
 * Probabilities of each class for one image, with the current weights. Waits for the GPU.
 * @param pixels bytes [height, width, channels], which are scaled to 0 .. 1 like the bundled samples
 * @param replica number of the replica; default 0
 * @returns null for an image of another size, from a data set that the page has just left
 */
export async function classifyImage(model: Model, pixels: Uint8Array, replica = 0): Promise<Float32Array | null> {
  const { device, inputShape, replicas } = model;
  if (pixels.length !== inputShape.reduce((product, n) => product * n, 1)) return null;
  const values = new Float32Array(replicas * pixels.length);
  for (let i = 0; i < values.length; i++) values[i] = pixels[i % pixels.length]! / 255;
  // With operators rather than `predict`, which would record a program for each image.
  const output = scope(device, () =>
    noGrad(() => model.call(tensor(device, values, [1, ...inputShape], { replicas }))),
  );
  try {
    const all = (await output.data()) as Float32Array;
    return all.slice(replica * output.size, (replica + 1) * output.size);
  } finally {
    output.dispose();
  }
}
