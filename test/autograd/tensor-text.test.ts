import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import {
  Dense,
  DisposedError,
  openDevice,
  relu,
  reshape,
  Sequential,
  SGD,
  scope,
  sum,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

/** What `console.log` prints. */
const logText = (value: unknown) => inspect(value);
const HINT = '(its values are on the adapter; `await tensor.text()` shows them)';

describeOnDevice('console.log and text of a tensor', (device) => {
  test.each<{ values: number[]; shape: number[]; options?: object; text: string }>([
    { values: [1, 2.5, -3, 4, 5, 6], shape: [2, 3], text: 'Tensor f32 [2,3]\n[[  1, 2.5,  -3],\n [  4,   5,   6]]' },
    { values: [3.5], shape: [], text: 'Tensor f32 [] 3.5' },
    { values: [], shape: [0, 3], text: 'Tensor f32 [0,3]\n[]' },
    {
      values: [1, 2, 3],
      shape: [3],
      options: { requiresGrad: true },
      text: 'Tensor f32 [3], requires a gradient [1, 2, 3]',
    },
    { values: [7, 8], shape: [2], options: { dtype: 'u32' }, text: 'Tensor u32 [2] [7, 8]' },
    { values: [-7, 8], shape: [2], options: { dtype: 'i32' }, text: 'Tensor i32 [2] [-7,  8]' },
    {
      values: [1, 2, 3, 4],
      shape: [2],
      options: { models: 2 },
      text: 'Tensor f32 [2] x 2 replicas\n[[1, 2],\n [3, 4]]',
    },
    {
      values: [1, 2, 3, 4, 5, 6, 7, 8],
      shape: [2, 2, 2],
      text: 'Tensor f32 [2,2,2]\n[[[1, 2],\n  [3, 4]],\n\n [[5, 6],\n  [7, 8]]]',
    },
    // As numpy.float32 prints them: with the fewest digits that identify the number.
    {
      values: [0.1, 1 / 3, -0, 1e-7, 16777216, 3e38],
      shape: [6],
      text: 'Tensor f32 [6] [       0.1, 0.33333334,         -0,       1e-7,   16777216,      3e+38]',
    },
    { values: [Number.NaN, Infinity], shape: [2], text: 'Tensor f32 [2] [     NaN, Infinity]' },
  ])(
    '$shape from numbers: shows shape, type and values at once, and the same after it is read',
    async ({ values, shape, options, text }) => {
      const x = tensor(device, values, shape, options);
      const { readBacks, submits } = device.counters;
      expect(logText(x)).toBe(text);
      expect(`${x}`).toBe(text);
      expect(device.counters).toMatchObject({ readBacks, submits });
      expect(await x.text()).toBe(text);
      expect(Object.prototype.toString.call(x)).toBe('[object Tensor]');
      x.dispose();
    },
  );

  test('text: indents a tensor within another value', () => {
    const x = tensor(device, [1, 2, 3, 4], [2, 2]);
    expect(logText({ x })).toBe('{\n  x: Tensor f32 [2,2]\n  [[1, 2],\n   [3, 4]]\n}');
    x.dispose();
  });

  test('text: shows the first of many values, and after a read those at the edges', async () => {
    const x = tensor(
      device,
      Float32Array.from({ length: 2000 }, (_, i) => i),
      [100, 20],
    );
    expect(logText(x)).toBe('Tensor f32 [100,20] [0, 1, 2, 3, 4, 5, ...]');
    expect(await x.text()).toBe(`Tensor f32 [100,20]
[[   0,    1,    2, ...,   17,   18,   19],
 [  20,   21,   22, ...,   37,   38,   39],
 [  40,   41,   42, ...,   57,   58,   59],
 ...,
 [1940, 1941, 1942, ..., 1957, 1958, 1959],
 [1960, 1961, 1962, ..., 1977, 1978, 1979],
 [1980, 1981, 1982, ..., 1997, 1998, 1999]]`);
    const long = tensor(
      device,
      Float32Array.from({ length: 40 }, (_, i) => 100 + i),
      [40],
    );
    for (const line of logText(long).split('\n')) expect(line.length).toBeLessThanOrEqual(16 + 75);
    expect(logText(long).match(/\d{3}/g)).toHaveLength(40);
    for (const one of [x, long]) one.dispose();
  });

  test('text: shows how to read a computed tensor, and its values once they are read', async () => {
    const x = tensor(device, [1, -2], [2]);
    const y = relu(x);
    expect(logText(y)).toBe(`Tensor f32 [2] ${HINT}`);
    expect(await y.text()).toBe('Tensor f32 [2] [1, 0]');
    expect(logText(y)).toBe('Tensor f32 [2] [1, 0]');
    expect(logText(reshape(y, [1, 2]))).toBe('Tensor f32 [1,2]\n[[1, 0]]');
    expect(logText(x)).toBe('Tensor f32 [2] [ 1, -2]'); // reading it has not changed it
    y.dispose();
    expect(logText(y)).toBe('Tensor f32 [2], disposed');
    await expect(y.text()).rejects.toThrow(DisposedError);
    x.dispose();
  });

  test('text: never shows values that were overwritten', async () => {
    const x = tensor(device, [1, 2], [2], { requiresGrad: true });
    const backward = () => scope(device, () => sum(relu(x)).backward());
    backward();
    await x.grad!.data();
    expect(logText(x.grad)).toBe('Tensor f32 [2] [1, 1]');
    backward(); // adds to the gradient
    expect(logText(x.grad)).toBe(`Tensor f32 [2] ${HINT}`);
    expect(await x.grad!.text()).toBe('Tensor f32 [2] [2, 2]');

    let y!: Tensor;
    const program = device.record(() => {
      y = relu(x);
    });
    program.run();
    expect(await y.text()).toBe('Tensor f32 [2] [1, 2]');
    device.upload(x.array.storage, Float32Array.of(3, 4));
    expect(logText(x)).toMatch(/\[3, 4\]$/);
    expect(logText(y)).toMatch(/\[1, 2\]$/); // the program has not run again yet
    program.run();
    expect(logText(y)).toBe(`Tensor f32 [2] ${HINT}`);
    program.dispose();

    const z = tensor(device, [0, 0], [2]);
    device.copy(x.array.storage, z.array.storage);
    expect(logText(z)).toContain(HINT);
    device.upload(z.array.storage, Float32Array.of(9), 4);
    expect(logText(z)).toContain(HINT);
    const reading = z.data();
    device.upload(z.array.storage, Float32Array.of(7, 7));
    expect(Array.from(await reading)).toEqual([3, 9]);
    expect(logText(z)).toBe('Tensor f32 [2] [7, 7]'); // not the values of the earlier read
    for (const one of [x, z]) one.dispose();
  });

  test('text: does not show old values of weights after training', async () => {
    using model = new Sequential([new Dense({ units: 1, kernelInitializer: 'ones', inputShape: [2] })]).build(device);
    model.compile({ optimizer: new SGD({ learningRate: 0.5 }), loss: 'meanSquaredError' });
    const { tensor: kernel } = model.weights[0]!;
    await kernel.data();
    expect(logText(kernel)).toMatch(/\[\[1\],\n \[1\]\]$/);
    const data = { x: [[1, 1]], y: [0] };
    await model.fit(data);
    expect(logText(kernel)).toContain(HINT);
    expect(await kernel.text()).toMatch(/\[\[-1\],\n \[-1\]\]$/);
    await model.trainOnBatch([[1, 1]], [0]);
    expect(logText(kernel)).toContain(HINT);
  });

  test('text: shows known values after the device was disposed', async () => {
    const other = await openDevice();
    const [x, y] = [tensor(other, [1], [1]), relu(tensor(other, [1], [1]))];
    other.dispose();
    expect(logText(x)).toBe('Tensor f32 [1] [1]');
    expect(logText(y)).toContain(HINT);
    await expect(y.text()).rejects.toThrow(DisposedError);
  });
});
