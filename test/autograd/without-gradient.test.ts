import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scope, tensor } from '../../src/node.ts';
import { map } from '../reference/ndarray.ts';
import { reduceCase } from '../support/cases-reduce.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import {
  anyShape,
  drawInputs,
  drawnCases,
  FAST_CHECK_SEED,
  type OperatorCase,
  one,
  operatorCases,
  seed,
} from '../support/operator-cases.ts';
import { withoutGradient } from '../support/without-gradient.ts';

const { add: pairs, neg: single } = operatorCases('full');
const alongAxis = reduceCase('full').map((c) => {
  const { axis, keepDims } = c.attrs as { axis?: number | number[]; keepDims: boolean };
  return { ...c, attrs: { axis: [axis].flat()[0], keepDims } };
});

/** Total by type: an operator without cases does not compile. */
const cases: Record<keyof typeof withoutGradient, fc.Arbitrary<OperatorCase>> = {
  argmax: alongAxis,
  argmin: alongAxis,
  oneHot: fc
    .record({ shape: anyShape('full'), classes: one([1, 2, 3, 10, 17]), seed })
    .map(({ shape, classes, seed }) => ({ inputs: [{ shape, classes }], attrs: { classes }, seed })),
  cast: single,
  equal: pairs,
  notEqual: pairs,
  less: pairs,
  lessEqual: pairs,
  greater: pairs,
  greaterEqual: pairs,
  logicalAnd: pairs,
  logicalOr: pairs,
  logicalNot: single,
  isNan: single,
};

describeOnDevice(
  'operators without a gradient: values agree with the reference on drawn shapes, with ties and NaN',
  (device) => {
    test.each(Object.keys(cases) as (keyof typeof cases)[])('%s', async (name) => {
      await fc.assert(
        fc.asyncProperty(cases[name], async (c) => {
          const labels = c.inputs.map(({ classes }) => classes !== undefined);
          const inputs = drawInputs(c, 'integer').map((x, k) =>
            labels[k] ? x : map(x, (v) => (v === -4 ? Number.NaN : v)),
          );
          const y = scope(device, () =>
            withoutGradient[name].call(
              inputs.map(({ data, shape }, k) =>
                tensor(device, data, shape, labels[k] ? { dtype: 'u32' } : { requiresGrad: true }),
              ),
              c.attrs,
            ),
          );
          const expected = withoutGradient[name].reference(inputs, c.attrs);
          expect(y.shape).toEqual(expected.shape);
          expect(y.dtype).toBe(name.startsWith('arg') ? 'u32' : 'f32');
          expect(y.requiresGrad).toBe(false);
          expectClose(await y.data(), expected.data, { rtol: 0 });
          y.dispose();
        }),
        { seed: FAST_CHECK_SEED, numRuns: drawnCases(25) },
      );
    });
  },
);
