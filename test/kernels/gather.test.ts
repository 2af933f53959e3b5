import { test } from 'vitest';
import { DeviceArray, sizeOf } from '../../src/kernels/array.ts';
import { gatherImages, gatherLabels, type StoredSamples } from '../../src/kernels/gather.ts';
import { StepState } from '../../src/kernels/step-state.ts';
import { type Device, Tensor, tensor } from '../../src/node.ts';
import * as reference from '../reference/gather.ts';
import { ndarray } from '../reference/ndarray.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';

/** Lays images out as the kernel wants them, `perChunk` to a buffer: what an adapter with small bindings needs. */
function store(device: Device, bytes: Uint8Array, count: number, perChunk: number): StoredSamples {
  const size = bytes.length / count;
  const stride = Math.ceil(size / 4);
  const chunks = [];
  for (let first = 0; first < count; first += perChunk) {
    const here = Math.min(perChunk, count - first);
    const padded = new Uint8Array(here * stride * 4);
    for (let i = 0; i < here; i++)
      padded.set(bytes.subarray((first + i) * size, (first + i + 1) * size), i * stride * 4);
    chunks.push({
      words: tensor(device, new Uint32Array(padded.buffer), [here, stride], { dtype: 'u32' }).array,
      first,
      count: here,
    });
  }
  return { chunks, stride };
}

describeOnDevice('gathering a batch', (device) => {
  const COUNT = 23;

  // 32x32x3 fills whole words; 5x3x1 and 7x7x3 leave one and three bytes in the last word.
  test.each([
    { shape: [32, 32, 3], perChunk: 23, models: 1 },
    { shape: [5, 3, 1], perChunk: 7, models: 1 },
    { shape: [7, 7, 3], perChunk: 1, models: 2 },
    { shape: [1, 1, 1], perChunk: 23, models: 3 },
  ])('$shape, $perChunk to a buffer, $models models', async ({ shape, perChunk, models }) => {
    const values = random(sizeOf(shape));
    const bytes = Uint8Array.from({ length: COUNT * sizeOf(shape) }, () => values.integer(0, 255));
    const labels = Uint32Array.from({ length: COUNT }, () => values.integer(0, 9));
    // A shuffled order for each model, with repeats, and a batch from its middle to its very end.
    const orders = Array.from({ length: models }, () =>
      Array.from({ length: COUNT }, () => values.integer(0, COUNT - 1)),
    );
    const [batchStart, batch] = [16, 7];

    const images = store(device, bytes, COUNT, perChunk);
    const state = new StepState(device);
    state.write({ batchStart });
    const order = tensor(device, orders.flat(), [COUNT], { dtype: 'u32', models });
    const stored = tensor(device, labels, [COUNT], { dtype: 'u32' });
    const x = new Tensor(DeviceArray.empty(device, [batch, ...shape], { models }));
    const y = new Tensor(DeviceArray.empty(device, [batch], { dtype: 'u32', models }));
    gatherImages(images, order.array, state, x.array, { scale: 1 / 255, offset: 0 });
    gatherLabels(stored.array, order.array, state, y.array);

    const picked = orders.map((o) => o.slice(batchStart, batchStart + batch));
    const expected = picked.flatMap((o) => [...reference.gatherImages(bytes, shape, o).data]);
    expectClose(await x.data(), expected, { rtol: 2e-7 }, 'images');
    expectSameBits(
      await y.data(),
      picked.flatMap((o) => [...reference.gatherLabels(labels, o).data]),
      'labels',
    );

    // -1 .. 1, as some courseworks scale.
    gatherImages(images, order.array, state, x.array, { scale: 2 / 255, offset: -1 });
    const shifted = ndarray([expected.length], expected).data.map((value) => 2 * value - 1);
    expectClose(await x.data(), shifted, { magnitude: shifted.map(() => 1), rtol: 2e-7 }, 'scaled images');

    for (const t of [order, stored, x, y]) t.dispose();
    for (const { words } of images.chunks) words.dispose();
    state.dispose();
  });
});
