import fc from 'fast-check';
import { test } from 'vitest';
import { operatorNames, references } from '../reference/index.ts';
import { hostInputs, runOperator } from '../support/adapter.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawInputs, drawLike, drawnCases, FAST_CHECK_SEED, operatorCases } from '../support/operator-cases.ts';

const MODELS = 3;
const cases = operatorCases('full');

describeOnDevice(`each of ${MODELS} replicas has the bits of a single model`, (device) => {
  // dropout has a separate random stream for each model on purpose: see dropout.test.ts.
  test.each(operatorNames.filter((name) => name !== 'dropout'))('%s', async (name) => {
    await fc.assert(
      fc.asyncProperty(cases[name], async (c) => {
        const shape = references[name].forward(drawInputs(c), c.attrs).shape;
        const singles = Array.from({ length: MODELS }, (_, r) => ({
          inputs: hostInputs({ ...c, seed: c.seed + r }),
          dout: drawLike(shape, c.seed + r).data,
        }));
        const stacked = singles[0]!.inputs.map((input, k) => ({
          ...input,
          data: singles.flatMap(({ inputs }) => Array.from(inputs[k]!.data)),
        }));
        const douts = singles.flatMap(({ dout }) => Array.from(dout));
        const together = await runOperator(device, name, stacked, c.attrs, douts, MODELS);

        for (const [r, { inputs, dout }] of singles.entries()) {
          const alone = await runOperator(device, name, inputs, c.attrs, dout);
          const slice = (all: ArrayLike<number>) => {
            const size = all.length / MODELS;
            return Array.from(all).slice(r * size, (r + 1) * size);
          };
          expectSameBits(slice(together.output), alone.output, `${name} forward, model ${r}`);
          alone.grads.forEach((grad, k) => {
            if (grad) expectSameBits(slice(together.grads[k]!), grad, `${name} gradient ${k}, model ${r}`);
          });
        }
      }),
      { seed: FAST_CHECK_SEED + 2, numRuns: drawnCases(12) },
    );
  });

  // Long sums, which a kernel may split: the split must follow the shape of one model only.
  test.each([
    ['sum', [[50_021]]],
    ['biasAdd', [[20_011, 3], [3]]],
    ['linear', [[67, 301], [301, 33], [33]]],
    ['conv2d', [[5, 28, 28, 3], [5, 5, 3, 6], [6]]],
  ] as const)('%s over long sums', async (name, shapes) => {
    const one = hostInputs({ inputs: shapes.map((shape) => ({ shape: [...shape] })), attrs: {}, seed: 5 });
    const repeat = (values: ArrayLike<number>) => Array.from({ length: MODELS }, () => Array.from(values)).flat();
    const stacked = one.map((input) => ({ ...input, data: repeat(input.data) }));
    const dout = (shape: readonly number[]) => drawLike(shape, 6).data;
    const alone = await runOperator(device, name, one, {}, dout);
    const together = await runOperator(device, name, stacked, {}, (shape) => repeat(dout(shape)), MODELS);
    expectSameBits(together.output, repeat(alone.output), `${name} forward`);
    alone.grads.forEach((grad, k) => {
      expectSameBits(together.grads[k]!, repeat(grad!), `${name} gradient ${k}`);
    });
  });
});
