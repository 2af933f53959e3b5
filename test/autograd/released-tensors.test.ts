import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { operatorNames } from '../reference/index.ts';
import { calls, hostInputs } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';
import { FAST_CHECK_SEED, operatorCases } from '../support/operator-cases.ts';

const cases = operatorCases('small');

// Without a scope, the caller of an operator must dispose only its result.
describeOnDevice('operators: tensors left after disposal', (device) => {
  const inUse = () => device.counters.bytesAllocated - device.freeBytes;
  let before = 0;
  beforeEach(() => {
    before = inUse();
  });
  afterEach(() => expect(inUse()).toBe(before));

  const filledTensor = (value: number, shape: readonly number[], dtype: 'f32' | 'u32' = 'f32', requiresGrad = false) =>
    tg.tensor(device, new Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape, { dtype, requiresGrad });

  /** Calls the operator, runs the backward pass if there is one, and disposes the inputs and results. */
  function run(inputs: readonly Tensor[], call: () => Tensor | Tensor[]): void {
    const results = [call()].flat();
    for (const y of results) {
      if (!y.requiresGrad) continue;
      const dy = filledTensor(1, y.shape);
      y.backward(dy);
      dy.dispose();
    }
    for (const t of [...results, ...inputs]) t.dispose();
  }

  test.each(operatorNames)('%s', (name) => {
    for (const c of fc.sample(cases[name], { seed: FAST_CHECK_SEED, numRuns: 6 })) {
      for (const differentiate of [true, false]) {
        const inputs = hostInputs(c).map(({ data, shape, dtype }) =>
          tg.tensor(device, data, shape, { dtype: dtype!, requiresGrad: differentiate && dtype === 'f32' }),
        );
        run(inputs, () => calls[name](inputs as never, c.attrs));
        expect(inUse(), JSON.stringify({ ...c, differentiate })).toBe(before);
      }
    }
  });

  const others: Record<string, (inputs: Tensor[]) => Tensor | Tensor[]> = {
    'a number on the right': ([x]) => tg.mul(x!, 2),
    'a number on the left': ([x]) => tg.sub(1, x!),
    'a comparison with a number': ([x]) => tg.less(x!, 0.5),
    split: ([x]) => tg.split(x!, 2, 1),
    argmax: ([x]) => tg.argmax(x!, { axis: 1 }),
    softmaxCrossEntropyWithHits: ([x, , labels]) =>
      Object.values(tg.softmaxCrossEntropyWithHits(x!, labels!)) as Tensor[],
    sparseCategoricalCrossentropy: ([x, , labels]) => tg.sparseCategoricalCrossentropy(x!, labels!),
    'the same, weighted': ([x, , labels, sampleWeight]) =>
      tg.sparseCategoricalCrossentropy(x!, labels!, { sampleWeight: sampleWeight! }),
    meanSquaredError: ([x, t]) => tg.meanSquaredError(x!, t!),
    'meanSquaredError, weighted': ([x, t, , sampleWeight]) =>
      tg.meanSquaredError(x!, t!, { sampleWeight: sampleWeight! }),
    meanAbsoluteError: ([x, t]) => tg.meanAbsoluteError(x!, t!),
    huber: ([x, t]) => tg.huber(x!, t!),
    binaryCrossentropy: ([x, t]) => tg.binaryCrossentropy(x!, t!, { labelSmoothing: 0.1 }),
    'binaryCrossentropy from logits': ([x, t]) => tg.binaryCrossentropy(x!, t!, { fromLogits: true }),
    categoricalCrossentropy: ([x, t]) => tg.categoricalCrossentropy(x!, t!, { labelSmoothing: 0.1 }),
  };
  test.each(Object.entries(others))('%s', (name, call) => {
    for (const differentiate of [true, false]) {
      const inputs = [
        filledTensor(0.25, [3, 4], 'f32', differentiate),
        filledTensor(0.5, [3, 4]),
        filledTensor(1, [3], 'u32'),
        filledTensor(2, [3]),
      ];
      run(inputs, () => call(inputs));
      expect(inUse(), `${name}, ${differentiate ? 'taped' : 'not taped'}`).toBe(before);
    }
  });

  test('dispose: a result without a backward pass releases its intermediate arrays', () => {
    const [x, t] = [filledTensor(0.25, [3, 4], 'f32', true), filledTensor(0.5, [3, 4])];
    tg.huber(x, t).dispose();
    x.dispose();
    t.dispose();
  });
});
