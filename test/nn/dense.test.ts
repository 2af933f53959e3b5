import { expect, test } from 'vitest';
import { Adam, Dense, Flatten, ImageLoader, Sequential, ShapeError } from '../../src/node.ts';
import { references } from '../reference/index.ts';
import { map, sizeOf } from '../reference/ndarray.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { runLayer } from '../support/run-layer.ts';

test('Dense: works on the last axis, as in Keras', () => {
  const model = new Sequential([new Dense({ inputShape: [4, 6, 3], units: 5 }), new Dense({ units: 2 })]);
  expect(model.outputShape).toEqual([4, 6, 2]);
  expect(model.countParams()).toBe(3 * 5 + 5 + 5 * 2 + 2);
  expect(() => new Dense({ units: 2 }).plan([])).toThrow(ShapeError);
  expect(() => new Dense({ units: 2 }).plan([])).toThrow(/Dense.*single numbers/);
});

describeOnDevice('Dense on samples of several axes', (device) => {
  for (const inputShape of [[7], [5, 7], [2, 3, 7], [1, 1, 1], [33, 17]]) {
    for (const useBias of [true, false]) {
      test(`${JSON.stringify(inputShape)}${useBias ? ' with bias' : ''}: output and gradients`, async () => {
        const layer = new Dense({ inputShape, units: 4, useBias, activation: 'relu' });
        const { x, dout, weights, output, dx, gradients, planned } = await runLayer(device, layer);
        expect(output.shape).toEqual([3, ...inputShape.slice(0, -1), 4]);
        expect(planned).toEqual(output.shape);
        expect(Object.keys(weights)).toEqual(useBias ? ['kernel', 'bias'] : ['kernel']);
        const inputs = [x, ...Object.values(weights)];
        const attrs = { activation: 'relu' };
        const expected = references.linear.forward(inputs, attrs);
        const absolute = inputs.map((input) => map(input, Math.abs));
        const magnitude = references.linear.forward(absolute, attrs);
        expectClose(output.data, expected.data, { magnitude: magnitude.data, rtol: 2e-6 }, 'output');
        const grads = references.linear.backward(inputs, output, dout, attrs);
        const terms = references.linear.backward(absolute, magnitude, map(dout, Math.abs), attrs);
        for (const [k, got] of [dx, gradients.kernel!, gradients.bias].entries()) {
          expect(!got, `whether there is a gradient ${k}`).toBe(k === 2 && !useBias);
          if (!got) continue;
          expect(got.shape).toEqual(grads[k]!.shape);
          expectClose(got.data, grads[k]!.data, { magnitude: terms[k]!.data, rtol: 2e-6 }, `gradient ${k}`);
        }
      });
    }
  }

  test('Dense: softmax is along the last axis', async () => {
    const layer = new Dense({ inputShape: [2, 3], units: 4, activation: 'softmax' });
    const { x, dout, weights, output, dx } = await runLayer(device, layer);
    const logits = references.linear.forward([x, weights.kernel!, weights.bias!], {});
    const y = references.softmax.forward([logits], {});
    const magnitude = Array(sizeOf(x.shape)).fill(10);
    expectClose(output.data, y.data, { rtol: 2e-6, magnitude: Array(sizeOf(y.shape)).fill(1) });
    const [dlogits] = references.softmax.backward([logits], y, dout, {});
    const [expected] = references.linear.backward([x, weights.kernel!, weights.bias!], logits, dlogits!, {});
    expectClose(dx.data, expected!.data, { rtol: 2e-6, magnitude });
  });

  test('Dense: trains in a model', async () => {
    using loader = new ImageLoader(device, drawImages(30, { classes: 3, shape: [6, 6, 1] }));
    using model = new Sequential([
      new Dense({ inputShape: [6, 6, 1], units: 3, activation: 'tanh' }),
      new Flatten(),
      new Dense({ units: 3, activation: 'softmax' }),
    ])
      .build(device, { seed: 1 })
      .compile({ optimizer: new Adam({ learningRate: 0.02 }), loss: 'sparseCategoricalCrossentropy' });
    const { epochs } = await model.fit(loader, { epochs: 20, batchSize: 10 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.8 * epochs[0]!.loss);
  });
});
