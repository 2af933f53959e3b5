import { expect, test } from 'vitest';
import { DeviceArray, sizeOf } from '../../../src/kernels/array.ts';
import {
  channelTable,
  gatherImages,
  gatherLabels,
  gatherSamples,
  type StoredSamples,
} from '../../../src/kernels/gather/gather.ts';
import { StepState } from '../../../src/kernels/optimizers/step-state.ts';
import { type Device, Tensor, tensor } from '../../../src/node.ts';
import * as reference from '../../reference/gather.ts';
import { ndarray } from '../../reference/ndarray.ts';
import { expectClose, expectSameBits } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { replaceLimits } from '../../support/limits.ts';
import { random } from '../../support/random.ts';

/** Images in the layout of the kernel, `perChunk` to a buffer, as on an adapter with small bindings. */
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

describeOnDevice('gathering the samples of a batch', (device) => {
  const COUNT = 23;

  // 32x32x3 fills whole words; 5x3x1 and 7x7x3 leave one and three bytes in the last word.
  test.each([
    { shape: [32, 32, 3], perChunk: 23, models: 1 },
    { shape: [5, 3, 1], perChunk: 7, models: 1 },
    { shape: [7, 7, 3], perChunk: 1, models: 2 },
    { shape: [1, 1, 1], perChunk: 23, models: 3 },
  ])('images of $shape, $perChunk to a buffer, $models replicas', async ({ shape, perChunk, models }) => {
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
    const x = new Tensor(DeviceArray.empty(device, [batch, ...shape], { replicas: models }));
    const y = new Tensor(DeviceArray.empty(device, [batch], { dtype: 'u32', replicas: models }));
    const alone = new Tensor(DeviceArray.empty(device, [batch], { dtype: 'u32', replicas: models }));
    const both = { x: x.array, y: y.array };
    gatherImages(images, stored.array, order.array, state, both, { scale: 1 / 255, offset: 0 });
    gatherLabels(stored.array, order.array, state, alone.array);

    const picked = orders.map((o) => o.slice(batchStart, batchStart + batch));
    const expected = picked.flatMap((o) => [...reference.gatherImages(bytes, shape, o).data]);
    expectClose(await x.data(), expected, { rtol: 2e-7 }, 'images');
    const pickedLabels = picked.flatMap((o) => [...reference.gatherLabels(labels, o).data]);
    expectSameBits(await y.data(), pickedLabels, 'labels beside images');
    expectSameBits(await alone.data(), pickedLabels, 'labels alone');

    // -1 .. 1, as some courseworks scale.
    gatherImages(images, stored.array, order.array, state, both, { scale: 2 / 255, offset: -1 });
    const shifted = ndarray([expected.length], expected).data.map((value) => 2 * value - 1);
    expectClose(await x.data(), shifted, { magnitude: shifted.map(() => 1), rtol: 2e-7 }, 'scaled images');

    for (const t of [order, stored, x, y, alone]) t.dispose();
    for (const { words } of images.chunks) words.dispose();
    state.dispose();
  });

  // One, two and four words to a vector; chunks of one sample, some, all.
  test.each([
    { size: 1, perChunk: 23, models: 1 },
    { size: 3, perChunk: 7, models: 2 },
    { size: 8, perChunk: 1, models: 3 },
    { size: 10, perChunk: 5, models: 1 },
    { size: 300, perChunk: 23, models: 2 },
  ])(
    'samples of $size words, $perChunk to a buffer, $models replicas, bit for bit',
    async ({ size, perChunk, models }) => {
      const values = random(size);
      // Any bits at all, NaN's among them.
      const words = Uint32Array.from({ length: COUNT * size }, () => values.integer(0, 2 ** 32 - 1));
      const orders = Array.from({ length: models * COUNT }, () => values.integer(0, COUNT - 1));
      const [batchStart, batch] = [6, 17];
      const samples = store(device, new Uint8Array(words.buffer), COUNT, perChunk);
      const state = new StepState(device);
      state.write({ batchStart });
      const order = tensor(device, orders, [COUNT], { dtype: 'u32', models });
      const y = new Tensor(DeviceArray.empty(device, [batch, size], { dtype: 'u32', replicas: models }));
      gatherSamples(samples, order.array, state, y.array);
      const expected = Array.from({ length: models * batch * size }, (_, index) => {
        const [model, row, i] = [Math.floor(index / (batch * size)), Math.floor(index / size) % batch, index % size];
        return words[orders[model * COUNT + batchStart + row]! * size + i]!;
      });
      expect(Array.from(await y.data())).toEqual(expected);
      for (const t of [order, y]) t.dispose();
      for (const { words } of samples.chunks) words.dispose();
      state.dispose();
    },
  );

  test('more words and samples than a dispatch can have', async () => {
    const [shape, words, batch] = [[16, 16, 3], 300, 19];
    const values = random(5);
    const bytes = Uint8Array.from({ length: COUNT * sizeOf(shape) }, () => values.integer(0, 255));
    const images = store(device, bytes, COUNT, COUNT);
    const numbers = Uint32Array.from({ length: COUNT * words }, () => values.integer(0, 2 ** 32 - 1));
    const samples = store(device, new Uint8Array(numbers.buffer), COUNT, COUNT);
    const order = tensor(
      device,
      Array.from({ length: COUNT }, () => values.integer(0, COUNT - 1)),
      [COUNT],
      { dtype: 'u32' },
    );
    const labels = tensor(device, [...Array(COUNT).keys()], [COUNT], { dtype: 'u32' });
    const table = tensor(device, channelTable([1, 2, 3], [0, -1, 4]), [3, 2, 4]);
    const state = new StepState(device);
    state.write({ batchStart: 2 });
    const gatherBatch = async () => {
      const x = tensor(device, new Float32Array(batch * sizeOf(shape)), [batch, ...shape]);
      const y = tensor(device, new Uint32Array(batch), [batch], { dtype: 'u32' });
      const z = tensor(device, new Uint32Array(batch * words), [batch, words], { dtype: 'u32' });
      gatherImages(images, labels.array, order.array, state, { x: x.array, y: y.array }, { table: table.array });
      gatherSamples(samples, order.array, state, z.array);
      const all = [[...(await x.data())], [...(await y.data())], [...(await z.data())]];
      for (const t of [x, y, z]) t.dispose();
      return all;
    };
    const expected = await gatherBatch();
    {
      using _ = replaceLimits(device, { maxComputeWorkgroupsPerDimension: 2 });
      expect(await gatherBatch()).toEqual(expected);
    }
    for (const t of [order, labels, table]) t.dispose();
    for (const { words } of [...images.chunks, ...samples.chunks]) words.dispose();
    state.dispose();
  });

  test('a table of channels with images in several buffers and several replicas', async () => {
    const [shape, models, batch] = [[3, 3, 3], 2, 9];
    const bytes = Uint8Array.from({ length: COUNT * 27 }, (_, i) => (i * 71) % 256);
    const labels = Array.from({ length: COUNT }, (_, i) => (i * 3) % 7);
    const [scale, offset] = [
      [0.5, 2, -1],
      [1, -8, 0.25],
    ];
    const values = channelTable(scale, offset);
    const table = tensor(device, values, [values.length]);
    const images = store(device, bytes, COUNT, 5);
    const state = new StepState(device);
    state.write({ batchStart: 3 });
    const orders = Array.from({ length: models * COUNT }, (_, i) => (i * 5) % COUNT);
    const order = tensor(device, orders, [COUNT], { dtype: 'u32', models });
    const x = new Tensor(DeviceArray.empty(device, [batch, ...shape], { replicas: models }));
    const stored = tensor(device, labels, [COUNT], { dtype: 'u32' });
    const y = new Tensor(DeviceArray.empty(device, [batch], { dtype: 'u32', replicas: models }));
    const both = { x: x.array, y: y.array };
    gatherImages(images, stored.array, order.array, state, both, { table: table.array });
    const expected = Array.from({ length: models * batch * 27 }, (_, index) => {
      const [model, row, i] = [Math.floor(index / (batch * 27)), Math.floor(index / 27) % batch, index % 27];
      return scale[i % 3]! * bytes[orders[model * COUNT + 3 + row]! * 27 + i]! + offset[i % 3]!;
    });
    expect(Array.from(await x.data())).toEqual(expected);
    const pickedLabels = Array.from({ length: models * batch }, (_, index) => {
      return labels[orders[Math.floor(index / batch) * COUNT + 3 + (index % batch)]!]!;
    });
    expect(Array.from(await y.data())).toEqual(pickedLabels);
    for (const t of [order, stored, x, y, table]) t.dispose();
    for (const { words } of images.chunks) words.dispose();
    state.dispose();
  });
});
