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

/** Samples of a data set that are looked at, spread over it: as many as this, or as have so many values together. */
const LOOKED_AT = { samples: 256, values: 2 ** 18 };

/** What the course of a model's training depends on, as JSON: layers, weights, loss and optimiser. */
export function describeModel(model: Trainable): Record<string, StateValue> {
  const { optimizer, loss, metrics } = model.training;
  const weights = model.weights.map(({ name, spec, trainable }) => {
    return [name, showShape(spec.shape) + (trainable ? '' : ' (not trained)')] as const;
  });
  return {
    weights: Object.fromEntries(weights),
    replicas: model.replicas,
    layers: configOf(model),
    optimizer: { name: optimizer.name, ...optimizer.settings },
    loss: Object.keys(loss.settings ?? {}).length > 0 ? { name: loss.name, ...loss.settings } : loss.name,
    metrics: metrics.map(metricName),
  };
}

/** The layers' options; null where some cannot be told, such as functions. */
function configOf(model: Trainable): StateValue {
  try {
    return JSON.parse(JSON.stringify(model.getConfig()));
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return null;
  }
}

/**
 * What tells a data set from another: its size and shapes, and checksums of the labels, where the host knows them, and of a few
 * samples as the model gets them. Waits for the GPU.
 * @param known labels that the source does not know as such
 */
export async function describeSource(
  source: BatchSource,
  known: ArrayLike<number> | null = null,
): Promise<Record<string, StateValue>> {
  const { size, sampleShape, classes, targetShape = null } = source;
  const labels = known ?? source.labels;
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
  const enough = Math.max(4, Math.floor(LOOKED_AT.values / sizeOf(sampleShape)));
  const count = Math.min(size, LOOKED_AT.samples, enough);
  const state = new StepState(device);
  const reads = scope(device, () => {
    const order = DeviceArray.empty(device, [count], { dtype: 'u32' });
    device.upload(
      order.storage,
      Uint32Array.from({ length: count }, (_, i) => Math.floor((i * size) / count)),
    );
    state.write({ batchStart: 0 });
    const { x, targets } = source.batch(order, state, count);
    return [x, targets].flatMap((part) => (part ? [device.read(part.array.storage)] : []));
  });
  const found = await Promise.all(reads);
  state.dispose();
  return found.map((bytes) => crc32c(new Uint8Array(bytes)));
}

/** In what two descriptions differ, in words, a place after another: `batchSize was 32 and is 64`. */
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
