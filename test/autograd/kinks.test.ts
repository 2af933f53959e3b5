import { expect, test } from 'vitest';
import { tensor } from '../../src/node.ts';
import { type OperatorName, references } from '../reference/index.ts';
import { ndarray, sizeOf } from '../reference/ndarray.ts';
import { callOperator, compareWithReference, type HostInput, runOperator } from '../support/adapter.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';
import { expectExactly } from '../support/precision.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describeOnDevice('operators at kinks and extreme values', (device) => {
  const run = (name: OperatorName, inputs: HostInput[], attrs: object, dout: number[]) =>
    runOperator(device, name, inputs, attrs, dout);

  /** Expects that the operator's results for special values are those of the reference, forward only. */
  async function expectForward(name: OperatorName, inputs: HostInput[], attrs: object = {}): Promise<Float32Array> {
    const tensors = inputs.map(({ shape, data, dtype }) => tensor(device, data, shape, { dtype }));
    const y = callOperator(name, tensors, attrs);
    const actual = await y.data();
    for (const t of [...tensors, y]) t.dispose();
    const expected = references[name].forward(
      inputs.map(({ shape, data }) => ndarray(shape, data)),
      attrs,
    );
    expectClose(actual, expected.data, { rtol: 2e-6 }, name);
    return actual as Float32Array;
  }

  test('relu: the gradient at 0 and at -0 is 0', async () => {
    const { output, grads } = await run('relu', [{ shape: [5], data: [-1, -0, 0, 1e-30, 2] }], {}, [1, 1, 1, 1, 1]);
    expectClose(output, [0, 0, 0, 1e-30, 2]);
    expectClose(grads[0]!, [0, 0, 0, 1, 1]);
  });

  // Results and gradients (of a sum) of PyTorch 1.13 on a CPU, in float32 and float64, except where a comment states a difference.
  const kinks: [name: OperatorName, attrs: object, x: number[], y: number[], slope: number[]][] = [
    ['relu', {}, [-inf, -0, 0, inf, nan], [0, 0, 0, inf, nan], [0, 0, 0, 1, 1]],
    // Different at NaN, the last value: PyTorch's gradient is 1 in scalar code and on CUDA, 0 in vectorized CPU code.
    ['relu6', {}, [-inf, -0, 0, 6, 7, inf, nan], [0, 0, 0, 6, 6, 6, nan], [0, 0, 0, 0, 0, 0, 1]],
    [
      'leakyRelu',
      { negativeSlope: 0.25 },
      [-inf, -0, 0, inf, nan],
      [-inf, 0, 0, inf, nan],
      [0.25, 0.25, 0.25, 1, 0.25],
    ],
    // Different at NaN, the last value: PyTorch's gradient is 1 in scalar code and on CUDA, NaN in vectorized CPU code.
    ['elu', { alpha: 0.5 }, [-inf, -0, 0, inf, nan], [-0.5, 0, 0, inf, nan], [0, 0.5, 0.5, 1, 1]],
    ['clip', { min: -1, max: 2 }, [-inf, -1, 2, 3, inf, nan], [-1, -1, 2, 2, 2, nan], [0, 1, 1, 0, 0, 0]],
    ['clip', { min: -1 }, [-inf, -1, inf, nan], [-1, -1, inf, nan], [0, 1, 1, 0]],
    ['abs', {}, [-inf, -0, 0, inf, nan], [inf, 0, 0, inf, nan], [-1, 0, 0, 1, 0]],
    // The sign of NaN is NaN, as in NumPy; in PyTorch it is 0.
    ['sign', {}, [-inf, -0, 0, inf, nan], [-1, 0, 0, 1, nan], [0, 0, 0, 0, 0]],
    ['gelu', {}, [-inf, 0, inf, nan], [nan, 0, inf, nan], [nan, 0.5, nan, nan]],
    ['gelu', { approximate: true }, [-inf, 0, inf, nan], [nan, 0, inf, nan], [nan, 0.5, nan, nan]],
    ['sigmoid', {}, [-inf, inf, nan], [0, 1, nan], [0, 0, nan]],
    ['tanh', {}, [-inf, inf, nan], [-1, 1, nan], [0, 0, nan]],
    ['softplus', {}, [-inf, inf, nan], [0, inf, nan], [0, 1, nan]],
    ['log', {}, [0, inf, nan], [-inf, inf, nan], [inf, 0, nan]],
    ['sqrt', {}, [-1, 0, inf, nan], [nan, 0, inf, nan], [nan, inf, 0, nan]],
    ['rsqrt', {}, [-1, 0, inf, nan], [nan, inf, 0, nan], [nan, -inf, 0, nan]],
    ['reciprocal', {}, [-inf, 0, inf, nan], [0, inf, 0, nan], [0, -inf, 0, nan]],
    ['pow', { exponent: 0 }, [-inf, 0, nan], [1, 1, 1], [0, 0, 0]],
    ['pow', { exponent: 1 }, [-inf, 0, nan], [-inf, 0, nan], [1, 1, 1]],
    ['pow', { exponent: 3 }, [-inf, 0, nan], [-inf, 0, nan], [inf, 0, nan]],
  ];
  test.each(kinks)('%s %j at %j', async (name, attrs, x, y, slope) => {
    const { output, grads } = await run(
      name,
      [{ shape: [x.length], data: x }],
      attrs,
      x.map(() => 1),
    );
    expectExactly(device, output, y);
    expectExactly(device, grads[0]!, slope);
    // The reference that drawn cases are compared with must know the kinks too.
    const [host, ones] = [ndarray([x.length], x), ndarray([x.length], new Array(x.length).fill(1))];
    const expected = references[name].forward([host], attrs);
    expectClose(Float64Array.from(y), expected.data, {}, 'reference');
    expectClose(
      Float64Array.from(slope),
      references[name].backward([host], expected, ones, attrs)[0]!.data,
      {},
      'reference',
    );
  });

  test.each<[OperatorName, number[], number[], number[]]>([
    ['maximum', [1, 2, nan, inf, -inf, nan, inf, -inf], [0.5, 0, 1, 0.5, 0.5, 1, 1, 0], [0.5, 1, 1, 0.5, 0.5, 1, 0, 1]],
    ['minimum', [1, 2, nan, inf, -inf, nan, inf, -inf], [0.5, 1, 1, 0.5, 0.5, 1, 0, 1], [0.5, 0, 1, 0.5, 0.5, 1, 1, 0]],
  ])('%s: equal operands share the gradient; with NaN, both get all of it, as in PyTorch', async (name, a, da, db) => {
    const b = [1, 3, 0, inf, -inf, nan, 0, 0];
    const inputs = [a, b].map((data) => ({ shape: [8], data }));
    const { grads } = await run(name, inputs, {}, new Array(8).fill(1));
    expect(Array.from(grads[0]!)).toEqual(da);
    expect(Array.from(grads[1]!)).toEqual(db);
  });

  // As in PyTorch: sqrt(relu(x)) has the gradient 0 below 0, not 0 times infinity.
  test.each([inf, nan])('where the derivative is 0, a gradient of %d becomes 0', async (dy) => {
    for (const [name, attrs, x, passes] of [
      ['relu', {}, [-1, 0, 2], [0, 0, 1]],
      ['relu6', {}, [-1, 0, 6, 7, 2], [0, 0, 0, 0, 1]],
      ['clip', { min: -1, max: 2 }, [-3, -1, 3], [0, 1, 0]],
      ['sign', {}, [-1, 0, 1], [0, 0, 0]],
    ] as [OperatorName, object, number[], number[]][]) {
      const input = { shape: [x.length], data: x };
      const { grads } = await run(
        name,
        [input],
        attrs,
        x.map(() => dy),
      );
      expect(
        Array.from(grads[0]!, (v) => v + 0),
        name,
      ).toEqual(passes.map((pass) => (pass ? dy : 0)));
    }
    const pair = [
      { shape: [2], data: [1, 3] },
      { shape: [2], data: [2, 2] },
    ];
    const { grads } = await run('maximum', pair, {}, [dy, dy]);
    expect(grads.map((grad) => Array.from(grad!, (v) => v + 0))).toEqual([
      [0, dy],
      [dy, 0],
    ]);
  });

  test('linear, conv2d: the gradient of a fused ReLU at 0 is 0', async () => {
    // The weights cancel in the first column: an exact 0 before the activation.
    const weight = { shape: [2, 2], data: [1, 1, -1, 1] };
    const linear = await run('linear', [{ shape: [1, 2], data: [3, 3] }, weight], { activation: 'relu' }, [5, 7]);
    expectClose(linear.output, [0, 6]);
    expectClose(linear.grads[0]!, [7, 7]);
    expectClose(linear.grads[1]!, [0, 21, 0, 21]);

    const x = { shape: [1, 1, 1, 2], data: [3, 3] };
    const filter = { shape: [1, 1, 2, 2], data: weight.data };
    const conv = await run('conv2d', [x, filter, { shape: [2], data: [0, 0] }], { activation: 'relu' }, [5, 7]);
    expectClose(conv.output, [0, 6]);
    expectClose(conv.grads[0]!, [7, 7]);
    expectClose(conv.grads[1]!, [0, 21, 0, 21]);
    expectClose(conv.grads[2]!, [0, 7]);
  });

  test('maxPool2d: the first of equal maxima in row-major order gets the gradient', async () => {
    const x = { shape: [1, 2, 4, 1], data: [5, 5, -1, 2, 5, 5, 2, 2] };
    const { output, grads } = await run('maxPool2d', [x], { poolSize: 2 }, [3, 4]);
    expectClose(output, [5, 2]);
    expectClose(grads[0]!, [3, 0, 0, 4, 0, 0, 0, 0]);
  });

  test('maxPool2d: an image of equal values with overlapping windows', async () => {
    const x = { shape: [1, 3, 3, 1], data: Array(9).fill(-2) };
    const { output, grads } = await run('maxPool2d', [x], { poolSize: 2, strides: 1 }, [1, 10, 100, 1000]);
    expectClose(output, [-2, -2, -2, -2]);
    expectClose(grads[0]!, [1, 10, 0, 100, 1000, 0, 0, 0, 0]);
  });

  test('maxPool2d: ignores padding, whatever the sign of the values', async () => {
    const x = { shape: [1, 1, 3, 1], data: [-5, -7, -inf] };
    const { output, grads } = await run('maxPool2d', [x], { poolSize: 2, padding: 'same' }, [1, 2]);
    expectClose(output, [-5, -inf]);
    expectClose(grads[0]!, [1, 0, 2]);
  });

  test('maxPool2d: NaN is the maximum of its window, and the first NaN gets the gradient', async () => {
    const x = { shape: [1, 2, 4, 1], data: [9, nan, 1, inf, nan, 9, inf, 1] };
    const { output, grads } = await run('maxPool2d', [x], { poolSize: 2 }, [3, 4]);
    expectClose(output, [nan, inf]);
    expectClose(grads[0]!, [0, 3, 0, 4, 0, 0, 0, 0]);
  });

  const logits = [
    [1e4, -1e4, 0, 1e4],
    [-1e4, -1e4, -1e4, -1e4],
    [0, 0, 0, 0],
    [88.8, 0, -88.8, 1],
    [-3e38, 3e38, 0, 1],
  ];

  test.each(logits.map((row) => [row]))('softmax of %j', async (row) => {
    const y = await expectForward('softmax', [{ shape: [1, 4], data: row }]);
    expect(y.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    const dout = drawLike([1, 4], 3);
    const x = ndarray([1, 4], row);
    const expected = references.softmax.backward([x], references.softmax.forward([x], {}), dout, {});
    const { grads } = await run('softmax', [x], {}, [...dout.data]);
    expectClose(grads[0]!, expected[0]!.data, { magnitude: [1, 1, 1, 1], rtol: 1e-6 });
  });

  test.each([0, 1, 2, 3])('softmaxCrossEntropy of extreme rows, label %i', async (label) => {
    const finite = logits.slice(0, 4); // 3e38 - -3e38 is no f32
    const inputs: HostInput[] = [
      { shape: [4, 4], data: finite.flat() },
      { shape: [4], data: Array(4).fill(label), dtype: 'u32' },
    ];
    const host = inputs.map(({ shape, data }) => ndarray(shape, data));
    const loss = references.softmaxCrossEntropy.forward(host, {});
    const expected = references.softmaxCrossEntropy.backward(host, loss, ndarray([], [2]), {});
    const { output, grads } = await run('softmaxCrossEntropy', inputs, {}, [2]);
    expectClose(output, loss.data, { rtol: 1e-6 });
    expectClose(grads[0]!, expected[0]!.data, { magnitude: Array(16).fill(1), rtol: 1e-6 });
  });

  // NaN must not spread to other windows or rows, and must not be lost in its own.
  const poisoned = [1, nan, -2, 3, 0.5, 4, -inf, 1, 2, inf, 1, -1];
  test.each<[OperatorName, HostInput[], object?]>([
    ['relu', [{ shape: [12], data: poisoned }]],
    [
      'add',
      [
        { shape: [12], data: poisoned },
        { shape: [12], data: [...poisoned].reverse() },
      ],
    ],
    [
      'biasAdd',
      [
        { shape: [4, 3], data: poisoned },
        { shape: [3], data: [1, -inf, 2] },
      ],
    ],
    ['softmax', [{ shape: [4, 3], data: poisoned }]],
    ['sum', [{ shape: [12], data: poisoned }]],
    ['mean', [{ shape: [4], data: [1, 2, -inf, 3] }]],
    ['reshape', [{ shape: [12], data: poisoned }], { shape: [3, 4] }],
    [
      'matmul',
      [
        { shape: [4, 3], data: poisoned },
        { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] },
      ],
    ],
    [
      'linear',
      [
        { shape: [4, 3], data: poisoned },
        { shape: [3, 1], data: [1, 2, 3] },
      ],
      { activation: 'relu' },
    ],
    [
      'conv2d',
      [
        { shape: [1, 4, 3, 1], data: poisoned },
        { shape: [2, 2, 1, 1], data: [1, 2, 3, 4] },
      ],
      { activation: 'relu', padding: 'same' },
    ],
    ['maxPool2d', [{ shape: [1, 4, 3, 1], data: poisoned }], { poolSize: 2, strides: 1 }],
    [
      'softmaxCrossEntropy',
      [
        { shape: [1, 3], data: [1, nan, 2] },
        { shape: [1], data: [0], dtype: 'u32' },
      ],
    ],
  ])('%s: propagates NaN and infinities', async (name, inputs, attrs) => {
    await expectForward(name, inputs, attrs);
  });

  test.each<[OperatorName, number[][], object]>([
    ['conv2d', [[1, 1, 1, 1], [1, 1, 1, 1], [1]], {}],
    [
      'conv2d',
      [
        [1, 1, 1, 3],
        [5, 5, 3, 2],
      ],
      { padding: 'same', strides: 2 },
    ],
    ['conv2d', [[1, 5, 5, 1], [5, 5, 1, 7], [7]], { activation: 'relu' }],
    ['conv2d', [[2, 28, 28, 3], [5, 5, 3, 6], [6]], { activation: 'relu' }],
    ['conv2d', [[2, 14, 14, 6], [5, 5, 6, 16], [16]], { activation: 'relu' }],
    ['maxPool2d', [[1, 1, 1, 1]], { poolSize: 1 }],
    ['maxPool2d', [[1, 1, 1, 5]], { poolSize: [3, 2], padding: 'same' }],
    ['linear', [[1, 1], [1, 1], [1]], { activation: 'relu' }],
    ['linear', [[3, 400], [400, 120], [120]], { activation: 'relu' }],
    [
      'matmul',
      [
        [1, 1000],
        [1000, 1],
      ],
      {},
    ],
    [
      'matmul',
      [
        [257, 1],
        [1, 129],
      ],
      {},
    ],
    ['sum', [[]], {}],
    ['mean', [[1]], {}],
    ['sum', [[100_003]], {}],
    ['biasAdd', [[10_007, 3], [3]], {}],
    ['softmax', [[1]], {}],
    ['softmax', [[2, 1000]], {}],
  ])('%s of %j %j', async (name, shapes, attrs) => {
    expect(shapes.every((shape) => sizeOf(shape) > 0)).toBe(true);
    await compareWithReference(device, name, { inputs: shapes.map((shape) => ({ shape })), attrs, seed: 11 });
  });
});
