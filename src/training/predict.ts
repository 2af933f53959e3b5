import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { checkFlag, checkOptions, checkSignal } from '../base/check.ts';
import { AbortedError } from '../base/errors.ts';
import { DeviceArray, sizeOf } from '../kernels/array.ts';
import { storeBatch } from '../kernels/gather/gather.ts';
import { ArrayLoader, type Numbers } from './batches/array-loader.ts';
import type { BatchSource } from './batches/batch-source.ts';
import { readSamples } from './batches/host-batch.ts';
import { checkBatchSize, checkSource, SourceBatches, type Step } from './batches/source-batches.ts';
import { isSource } from './batches/training-data.ts';
import { Throttle } from './throttle.ts';
import type { Trainable } from './trainable.ts';

/** Bytes of outputs that are collected on the GPU between read-backs, a compromise of few read-backs and little memory. */
const OUTPUT_BYTES = 2 ** 24;

/** Options of `Model.predict`. */
export interface PredictOptions {
  /** Samples of a batch. Default 32. */
  batchSize?: number;
  /** Whether the result is a list with an array for each sample, instead of one flat array. Default false. */
  rows?: boolean;
  /** Ends the call with AbortedError. */
  signal?: AbortSignal;
}

/** See `Model.predict`. */
export async function predict(
  model: Trainable,
  given: BatchSource | Numbers,
  options: PredictOptions,
): Promise<Float32Array | Float32Array[]> {
  checkOptions('predict', options, { batchSize: true, rows: true, signal: true });
  const isRows = checkFlag('predict', 'rows', options.rows ?? false);
  const flat = await predictFlat(model, given, options);
  if (!isRows) return flat;
  const columns = sizeOf(model.outputShape);
  return Array.from({ length: flat.length / columns }, (_, i) => flat.subarray(columns * i, columns * (i + 1)));
}

async function predictFlat(
  model: Trainable,
  given: BatchSource | Numbers,
  options: PredictOptions,
): Promise<Float32Array> {
  model.parameters; // throws before `build`
  if (isSource(given, 'predict')) return run(model, given, options, true);
  const { values: x } = readSamples('predict: x', model.inputShape, given);
  const loader = new ArrayLoader(model.device, { x, shape: model.inputShape });
  try {
    return await run(model, loader, options, false);
  } finally {
    loader.dispose();
  }
}

/** A recorded pass over some data whose outputs are collected on the GPU. */
class Predictor {
  /** f32 [capacity, columns] of each replica. */
  private readonly outputs: DeviceArray;
  /** Samples whose outputs fit into `outputs`. */
  private readonly capacity: number;
  /** Values of one sample's output. */
  private readonly columns: number;
  private readonly batches: SourceBatches;

  constructor(
    private readonly model: Trainable,
    data: BatchSource,
    batchSize: number,
  ) {
    const { device, size } = data;
    const { replicas } = model;
    this.columns = sizeOf(model.outputShape);
    const batchCapacity = Math.max(1, Math.floor(OUTPUT_BYTES / (4 * replicas * batchSize * this.columns)));
    this.capacity = Math.min(batchCapacity * batchSize, Math.ceil(size / batchSize) * batchSize);
    this.outputs = DeviceArray.empty(device, [this.capacity, this.columns], { replicas }).keep('outputs of predict');
    const step: Step = ({ x }) =>
      scope(device, () => noGrad(() => storeBatch(model.call(x).array, this.batches.state, this.outputs)));
    this.batches = new SourceBatches(data, batchSize, step, replicas);
  }

  /** @throws AbortedError */
  async run(signal?: AbortSignal): Promise<Float32Array> {
    checkSignal('predict', signal);
    const { batches, outputs, capacity, columns } = this;
    const { device, replicas } = this.model;
    const size = batches.samples;
    const result = new Float32Array(replicas * size * columns);
    const throttle = new Throttle(device);
    for (let i = 0, read = 0, done = 0; i < batches.stepsPerEpoch; i++) {
      if (signal?.aborted) throw new AbortedError('predict: stopped on request');
      done += batches.run(i);
      await throttle.afterStep();
      if (done - read < capacity && done < size) continue;
      const bytes = 4 * ((replicas - 1) * capacity + done - read) * columns; // all rows of the first replicas, and those used of the last
      const values = new Float32Array(await device.read(outputs.storage, bytes));
      for (let r = 0; r < replicas; r++) {
        const first = r * capacity * columns;
        result.set(values.subarray(first, first + (done - read) * columns), (r * size + read) * columns);
      }
      read = done;
    }
    return result;
  }

  dispose(): void {
    this.batches.dispose();
    this.outputs.dispose();
  }
}

async function run(model: Trainable, data: BatchSource, options: PredictOptions, keep: boolean): Promise<Float32Array> {
  checkSource('predict', model, data);
  const batchSize = checkBatchSize('predict', data.size, options.batchSize);
  const { parameters, programs } = model;
  const key = ['predict', data, batchSize, parameters];
  let predictor: Predictor | null = programs.acquire(key, () => new Predictor(model, data, batchSize));
  try {
    const result = await predictor.run(options.signal);
    if (keep && !parameters.values.disposed && model.parameters === parameters) {
      programs.release(key, predictor);
      predictor = null;
    }
    return result;
  } finally {
    predictor?.dispose();
  }
}
