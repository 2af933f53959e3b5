import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Shape } from '../kernels/array.ts';

/** Width factors for which Keras publishes weights of MobileNetV2. */
export const ALPHAS = [0.35, 0.5, 0.75, 1, 1.3, 1.4] as const;

/** Rows (and columns) of the images that the weights were trained on; each size is a separate checkpoint. */
export const ROWS = [96, 128, 160, 192, 224] as const;
/** @inline */
export type CheckpointRows = (typeof ROWS)[number];

/** Number of classes of the published heads. */
const IMAGENET_CLASSES = 1000;

/**
 * Which published weights of MobileNetV2.
 * @inline
 */
export interface Checkpoint {
  /** Factor on the number of filters. */
  alpha: number;
  /** Rows (and columns) of the images that the weights were trained on. */
  rows: CheckpointRows;
  /** Whether the head is included. */
  includeTop: boolean;
}

/** Where Keras's weights are published (keras/src/applications/mobilenet_v2.py, `BASE_WEIGHT_PATH`); file names are appended. */
export const OFFICIAL_ADDRESS = 'https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/';

/** A number as Python prints a float: `1.0`, `0.35`. */
const pythonFloat = (value: number) => (Number.isInteger(value) ? `${value}.0` : String(value));

/** Name of Keras's file. */
export const kerasFileName = ({ alpha, rows, includeTop }: Checkpoint): string =>
  `mobilenet_v2_weights_tf_dim_ordering_tf_kernels_${pythonFloat(alpha)}_${rows}${includeTop ? '' : '_no_top'}.h5`;

const TRUNK_SUFFIX = '-no-top.safetensors';

/** Names of the safetensors files that together hold the same weights: the network without its head, and the head. */
export function safetensorsFileNames({ alpha, rows, includeTop }: Checkpoint): string[] {
  const trunk = `mobilenet-v2-${pythonFloat(alpha)}-${rows}${TRUNK_SUFFIX}`;
  return includeTop ? [trunk, headFileFor(trunk)!] : [trunk];
}

/** Path of the file with the head, from the path of the network without it; null for any other file. */
export const headFileFor = (path: string): string | null =>
  path.endsWith(TRUNK_SUFFIX) ? `${path.slice(0, -TRUNK_SUFFIX.length)}-top.safetensors` : null;

/**
 * Known sizes and checksums by file name. Keras publishes none: three public repositories agree on the sha256 of 1.0_224_no_top, and one
 * has that of 0.35_224_no_top.
 */
export const KNOWN_FILES: Readonly<Record<string, { size: number; checksum?: string }>> = {
  [kerasFileName({ alpha: 1, rows: 224, includeTop: false })]: {
    size: 9_406_464,
    checksum: 'sha256:f8aff69536bd77a692c594f559c798c19bf7f3f36668fc9fa00b21c6aab4797c',
  },
  [kerasFileName({ alpha: 1, rows: 224, includeTop: true })]: { size: 14_536_120 },
  [kerasFileName({ alpha: 0.35, rows: 224, includeTop: false })]: {
    size: 2_019_640,
    checksum: 'sha256:df1c3db1d0d9193719c4c70f707c56f7021f999f825bdc57454c275cf6def19f',
  },
};

/**
 * The published weights for a network.
 * @param rows which checkpoint. Default, as in Keras: the size in `inputShape` if that is square and published, else 224
 * @throws ArgumentError if Keras publishes no weights for the network
 */
export function checkpointOf(
  network: { alpha: number; inputShape: Shape; includeTop: boolean; classes: number },
  rows?: number,
): Checkpoint {
  const { alpha, inputShape, includeTop, classes } = network;
  const noWeights = "mobileNetV2: there are no 'imagenet' weights for";
  if (!(ALPHAS as readonly number[]).includes(alpha)) {
    throw new ArgumentError(
      `${noWeights} alpha ${formatValue(alpha)}; alpha must be one of ${ALPHAS.join(', ')}, or leave out weights`,
    );
  }
  if (inputShape[2] !== 3) {
    throw new ArgumentError(
      `${noWeights} images of ${formatValue(inputShape[2])} channels; inputShape must end in 3 (red, green, blue)`,
    );
  }
  if (includeTop && classes !== IMAGENET_CLASSES) {
    throw new ArgumentError(
      `${noWeights} a head of ${formatValue(classes)} classes; classes must be ${IMAGENET_CLASSES}, or give includeTop: false and add your own head`,
    );
  }
  return { alpha, rows: rowsOf(inputShape, rows), includeTop };
}

const isRows = (n: unknown): n is CheckpointRows => (ROWS as readonly unknown[]).includes(n);

/** @throws ArgumentError if there is no checkpoint with these rows */
function rowsOf([height, width]: Shape, rows: number | undefined): CheckpointRows {
  if (rows === undefined) return height === width && isRows(height) ? height : 224;
  if (isRows(rows)) return rows;
  throw new ArgumentError(`mobileNetV2: rows must be one of ${ROWS.join(', ')}, but is ${formatValue(rows)}`);
}
