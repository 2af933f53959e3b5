import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { type OperatorName, operatorNames } from '../reference/index.ts';
import { compareWithReference } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawnCases, FAST_CHECK_SEED, operatorCases } from '../support/operator-cases.ts';
import { type Measured, writeOperatorsTable } from '../support/operators-table.ts';

const cases = operatorCases('full');
const drawn = { seed: FAST_CHECK_SEED, numRuns: drawnCases(40) };

describeOnDevice('operators: values and gradients agree with the float64 reference on drawn shapes', (device) => {
  const measured: Partial<Record<OperatorName, Measured>> = {};

  test.each(operatorNames)('%s', async (name) => {
    const pipelines = vi.spyOn(device, 'pipeline');
    let worst = 0;
    let count = 0;
    await fc.assert(
      fc.asyncProperty(cases[name], async (c) => {
        worst = Math.max(worst, await compareWithReference(device, name, c));
        count++;
      }),
      drawn,
    );
    measured[name] = { kernels: new Set(pipelines.mock.calls.map(([{ name }]) => name)), cases: count, worst };
    pipelines.mockRestore();
  });

  // `npm run docs:operators` sets the variable, with the cases of the long suite.
  test.runIf(process.env.TILEGRAD_WRITE_DOCS === '1')('writes docs/OPERATORS.md', () => {
    expect(Object.keys(measured).sort()).toEqual([...operatorNames].sort());
    writeOperatorsTable(measured as Record<OperatorName, Measured>, `${device.info.name} ${device.info.driver}`);
  });
});

// Sums of products of small integers are exact in f32 in any order, so no tolerance can hide an error.
describeOnDevice('operators: exact for small integers', (device) => {
  test.each([
    'matmul',
    'linear',
    'conv2d',
    'biasAdd',
    'add',
    'relu',
    'maxPool2d',
    'reshape',
    'sum',
    'concat',
    'expandDims',
    'gather',
    'pad',
    'slice',
    'squeeze',
    'stack',
    'transpose',
  ] as const)('%s', async (name) => {
    await fc.assert(
      fc.asyncProperty(cases[name], async (c) => {
        await compareWithReference(device, name, c, 'integer');
      }),
      { ...drawn, seed: FAST_CHECK_SEED + 1 },
    );
  });
});
