import type { Model } from '../../../src/index.ts';

/** Most tiles to show; a filter has one for each channel. */
const MAX_TILES = 30;

/** Weights of the first layer as images of its input window. */
export interface FirstFilters {
  /** Name of the layer, such as `conv2d`. */
  layer: string;
  kind: 'convolution' | 'dense';
  /** Number of filters or units of the layer. */
  count: number;
  height: number;
  width: number;
  channels: number;
  /** [shown, channels, height, width]: the first filters, at most 30 tiles. */
  values: Float32Array;
  /** Largest absolute finite value. */
  limit: number;
}

/**
 * Weights of the first layer with weights, for one replica: kernel [height, width, channels, filters] of a convolution, or
 * [height * width * channels, units] of a dense layer whose input is the image. Waits for the GPU.
 * @param replica number of the replica; default 0
 * @returns null if the first layer is of another kind, or the image is not its input
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
