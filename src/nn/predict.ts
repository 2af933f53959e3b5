import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { checkOptions } from '../check.ts';
import { AbortedError } from '../errors.ts';
import { DeviceArray, sizeOf } from '../kernels/array.ts';
import { storeBatch } from '../kernels/gather.ts';
import { ArrayLoader, floats, type Numbers } from './array-loader.ts';
import type { BatchSource } from './batch-source.ts';
import { BatchRunner, checkBatchSize, checkSource, countSamples, type Step } from './batches.ts';
import type { Model } from './model.ts';
import { Throttle } from './throttle.ts';
import { isSource } from './training-data.ts';

/** Results that gather on the GPU before the host reads them: few read-backs, and memory for few results. */
const HELD_BYTES = 2 ** 24;

/** See `Model.predict`. */
export async function predict(
  model: Model,
  given: BatchSource | Numbers,
  options: { batchSize?: number; signal?: AbortSignal },
): Promise<Float32Array> {
  checkOptions('predict', options);
  model.parameters; // throws before `build`
  if (isSource(given)) return run(model, given, options);
  const x = floats('predict: x', given);
  countSamples('predict', model, x);
  const loader = new ArrayLoader(model.device, { x, shape: model.inputShape });
  try {
    return await run(model, loader, options);
  } finally {
    loader.dispose();
  }
}

async function run(
  model: Model,
  data: BatchSource,
  options: { batchSize?: number; signal?: AbortSignal },
): Promise<Float32Array> {
  checkSource('predict', model, data);
  const batchSize = checkBatchSize('predict', data.size, options.batchSize);
  const { device, size } = data;
  const columns = sizeOf(model.outputShape);
  const { replicas: models } = model;
  const result = new Float32Array(models * size * columns);
  const batchesHeld = Math.max(1, Math.floor(HELD_BYTES / (4 * models * batchSize * columns)));
  const capacity = Math.min(batchesHeld * batchSize, Math.ceil(size / batchSize) * batchSize);
  const held = DeviceArray.empty(device, [capacity, columns], { models }).keep();
  const step: Step = ({ x }) => scope(device, () => noGrad(() => storeBatch(model.call(x).array, runner.state, held)));
  const runner: BatchRunner = new BatchRunner(data, batchSize, step, models);
  const throttle = new Throttle(device);
  try {
    for (let i = 0, read = 0, done = 0; i < runner.stepsPerEpoch; i++) {
      if (options.signal?.aborted) throw new AbortedError('predict: stopped on request');
      done += runner.run(i);
      await throttle.afterStep();
      if (done - read === capacity || done === size) {
        const bytes = 4 * ((models - 1) * capacity + done - read) * columns; // whole ones, and what the last one has
        const values = new Float32Array(await device.read(held.storage, bytes));
        for (let r = 0; r < models; r++) {
          const first = r * capacity * columns;
          result.set(values.subarray(first, first + (done - read) * columns), (r * size + read) * columns);
        }
        read = done;
      }
    }
    return result;
  } finally {
    runner.dispose();
    held.dispose();
  }
}
