import { scope } from '../../autograd/tensor.ts';
import { formatValue } from '../../base/check.ts';
import { crc32c } from '../../base/crc32c.ts';
import { ArgumentError } from '../../base/errors.ts';
import { DeviceArray, showShape, sizeOf } from '../../kernels/array.ts';
import { StepState } from '../../kernels/optimizers/step-state.ts';
import type { BatchSource } from '../batches/batch-source.ts';
import { metricName } from '../metrics/value-metrics.ts';
import type { Trainable } from '../trainable.ts';
import type { StateValue } from './training-state.ts';

/** Samples of a data set in its checksum, spread over it: at most this many samples with at most this many values together. */
const CHECKSUM_LIMITS = { samples: 256, values: 2 ** 18 };

/** Description of a model as far as training depends on it, as JSON: layers, weights, loss, metrics and optimizer. */
export function describeModel(model: Trainable): Record<string, StateValue> {
  const { optimizer, loss, metrics } = model.training;
  const weights = model.weights.map(({ name, spec, trainable }) => {
    return [name, showShape(spec.shape) + (trainable ? '' : ' (not trained)')] as const;
  });
  return {
    weights: Object.fromEntries(weights),
    replicas: model.replicas,
    layers: layersConfig(model),
    optimizer: { name: optimizer.name, ...optimizer.settings },
    loss: Object.keys(loss.settings ?? {}).length > 0 ? { name: loss.name, ...loss.settings } : loss.name,
    metrics: metrics.map(metricName),
  };
}

/** Configuration of the layers; null if it has options that JSON cannot hold, such as functions. */
function layersConfig(model: Trainable): StateValue {
  try {
    return JSON.parse(JSON.stringify(model.getConfig()));
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return null;
  }
}

/**
 * Description that differs between data sets: size, shapes, and checksums of the labels, if the host has them, and of at most 256
 * samples. Waits for the GPU.
 * @param knownLabels labels that the source stores as numbers
 */
export async function describeSource(
  source: BatchSource,
  knownLabels: ArrayLike<number> | null = null,
): Promise<Record<string, StateValue>> {
  const { size, sampleShape, classes, targetShape = null } = source;
  const labels = knownLabels ?? source.labels;
  return {
    size,
    sampleShape: [...sampleShape],
    classes,
    targetShape: targetShape && [...targetShape],
    labels: labels ? crc32c(new Uint8Array(Uint32Array.from(labels).buffer)) : null,
    samples: await checksums(source),
  };
}

async function checksums(source: BatchSource): Promise<number[]> {
  const { device, size, sampleShape } = source;
  const maxSamples = Math.max(4, Math.floor(CHECKSUM_LIMITS.values / sizeOf(sampleShape)));
  const count = Math.min(size, CHECKSUM_LIMITS.samples, maxSamples);
  const state = new StepState(device);
  const reads = scope(device, () => {
    const order = DeviceArray.empty(device, [count], { dtype: 'u32' });
    device.upload(
      order.storage,
      Uint32Array.from({ length: count }, (_, i) => Math.floor((i * size) / count)),
    );
    state.write({ batchStart: 0 });
    const { x, targets } = source.batch(order, state, count);
    return [x, targets].flatMap((tensor) => (tensor ? [device.read(tensor.array.storage)] : []));
  });
  const found = await Promise.all(reads);
  state.dispose();
  return found.map((bytes) => crc32c(new Uint8Array(bytes)));
}

/** The differences of two descriptions, one by one: `batchSize was 32 and is 64`. */
export function* differences(was: StateValue | undefined, is: StateValue | undefined, path = ''): Generator<string> {
  if (isRecord(was) && isRecord(is)) {
    for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
      yield* differences(was[key], is[key], path === '' ? key : `${path}.${key}`);
    }
  } else if (JSON.stringify(was) !== JSON.stringify(is)) {
    yield `${path} was ${formatStateValue(was)} and is ${formatStateValue(is)}`;
  }
}

const formatStateValue = (value: StateValue | undefined) =>
  value === undefined || value === null ? 'none' : formatValue(value);
const isRecord = (value: unknown): value is Record<string, StateValue> => typeof value === 'object' && value !== null;
