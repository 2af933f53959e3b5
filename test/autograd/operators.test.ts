import fc from 'fast-check';
import { test } from 'vitest';
import { operatorNames } from '../reference/index.ts';
import { compareWithReference } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';
import { FAST_CHECK_SEED, operatorCases } from '../support/operator-cases.ts';

const cases = operatorCases('full');
const drawn = { seed: FAST_CHECK_SEED, numRuns: 40 };

describeOnDevice('forward and backward agree with the float64 reference on drawn shapes', (device) => {
  test.each(operatorNames)('%s', async (name) => {
    await fc.assert(
      fc.asyncProperty(cases[name], async (c) => {
        await compareWithReference(device, name, c);
      }),
      drawn,
    );
  });
});

// Sums of products of small integers are exact in f32 whatever the order, so here nothing hides in a tolerance.
describeOnDevice('on small integers the results are exact', (device) => {
  test.each(['matmul', 'linear', 'conv2d', 'biasAdd', 'add', 'relu', 'maxPool2d', 'reshape', 'sum'] as const)(
    '%s',
    async (name) => {
      await fc.assert(
        fc.asyncProperty(cases[name], async (c) => {
          await compareWithReference(device, name, c, 'integer');
        }),
        { ...drawn, seed: FAST_CHECK_SEED + 1 },
      );
    },
  );
});
