import { noGrad } from '../autograd/tape.ts';
import { scope } from '../autograd/tensor.ts';
import { AbortedError } from '../errors.ts';
import { DeviceArray, sizeOf } from '../kernels/array.ts';
import { accumulate, fill } from '../kernels/pointwise.ts';
import type { BatchSource } from './batch-source.ts';
import { BatchRunner, checkData } from './batches.ts';
import type { Model } from './model.ts';

/** See `Model.predict`. */
export async function predict(
  model: Model,
  data: BatchSource,
  options: { batchSize?: number; signal?: AbortSignal },
): Promise<Float32Array> {
  const batchSize = checkData('predict', model, data, options);
  const columns = sizeOf(model.outputShape);
  const result = new Float32Array(data.size * columns);
  // The last batch may be short: it fills the front of the same buffer.
  const held = DeviceArray.empty(data.device, [batchSize * columns]).keep();
  const runner = new BatchRunner(data, batchSize, ({ x }) =>
    scope(data.device, () =>
      noGrad(() => {
        const y = model.call(x).array;
        const target = new DeviceArray(data.device, y.shape, 'f32', 1, held.storage.view(0, 4 * y.size));
        fill(data.device, y.shape, 0, { into: target });
        accumulate(target, y);
      }),
    ),
  );
  try {
    for (let i = 0, at = 0; i < runner.stepsPerEpoch; i++) {
      if (options.signal?.aborted) throw new AbortedError('predict: stopped on request');
      const count = runner.run(i);
      result.set(new Float32Array(await data.device.read(held.storage, 4 * count * columns)), at);
      at += count * columns;
    }
    return result;
  } finally {
    runner.dispose();
    held.dispose();
  }
}
