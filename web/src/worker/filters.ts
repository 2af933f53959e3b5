import type { Model } from '../../../src/index.ts';

/** Tiles at most, of which a filter has one for each channel: more are too many to look at. */
const MAX_TILES = 30;

/** Weights of the first layer as images of the size that the layer sees at once. */
export interface FirstFilters {
  /** Its name, such as `conv2d`. */
  layer: string;
  kind: 'convolution' | 'dense';
  /** How many filters or units the layer has. */
  count: number;
  height: number;
  width: number;
  channels: number;
  /** [shown, channels, height, width]: of the first filters, 30 tiles at most. */
  values: Float32Array;
  /** The largest absolute value among them, without those that are NaN or infinite. */
  limit: number;
}

/**
 * The weights of the first layer that has any, of one replica: a convolution's kernel [height, width, channels, filters], or a dense
 * layer's [height * width * channels, units] where the image is its input. Waits for the GPU.
 * @param replica from 0
 * @returns null if the first layer is of another kind, or does not see the image itself
 */
export async function readFirstFilters(model: Model, replica = 0): Promise<FirstFilters | null> {
  const first = model.plannedLayers.find(({ weights }) => weights.length > 0);
  const [kernel] = model.weights;
  if (!first || !kernel) return null;
  const { shape, size } = kernel.tensor;
  const isConvolution = first.layer.kind === 'Conv2D';
  const [height, width, channels] = isConvolution ? shape : model.inputShape;
  const count = shape.at(-1)!;
  if (!isConvolution && (first.layer.kind !== 'Dense' || shape[0] !== height! * width! * channels!)) return null;
  const all = (await kernel.tensor.data()).subarray(replica * size, (replica + 1) * size);
  const shown = Math.min(count, Math.floor(MAX_TILES / channels!));
  const pixels = height! * width!;
  const values = new Float32Array(shown * channels! * pixels);
  let limit = 0;
  for (let i = 0, filter = 0; filter < shown; filter++) {
    for (let channel = 0; channel < channels!; channel++) {
      for (let pixel = 0; pixel < pixels; pixel++, i++) {
        const value = all[(pixel * channels! + channel) * count + filter]!;
        values[i] = value;
        if (Number.isFinite(value)) limit = Math.max(limit, Math.abs(value));
      }
    }
  }
  return {
    layer: first.name,
    kind: isConvolution ? 'convolution' : 'dense',
    count,
    height: height!,
    width: width!,
    channels: channels!,
    values,
    limit,
  };
}
