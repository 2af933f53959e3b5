import { test } from 'vitest';
import type { OperatorName } from '../reference/index.ts';
import { compareWithReference } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';

// An empty sum is 0, also in a gradient: a kernel that has no work must not leave old values in memory.
describeOnDevice('empty tensors', (device) => {
  test.each<[OperatorName, number[][], object]>([
    ['relu', [[0]], {}],
    [
      'add',
      [
        [0, 3],
        [0, 3],
      ],
      {},
    ],
    ['sum', [[0]], {}],
    ['sum', [[4, 0]], {}],
    ['reshape', [[0, 3]], { shape: [6, 0] }],
    ['softmax', [[0, 3]], {}],
    ['biasAdd', [[0, 3], [3]], {}],
    [
      'matmul',
      [
        [0, 3],
        [3, 2],
      ],
      {},
    ],
    [
      'matmul',
      [
        [2, 0],
        [0, 3],
      ],
      {},
    ],
    ['linear', [[0, 3], [3, 2], [2]], { activation: 'relu' }],
    ['conv2d', [[0, 4, 4, 2], [3, 3, 2, 3], [3]], {}],
    ['conv2d', [[1, 4, 4, 0], [3, 3, 0, 2], [2]], { padding: 'same' }],
    ['maxPool2d', [[0, 4, 4, 2]], { poolSize: 2 }],
  ])('%s of %j %j', async (name, shapes, attrs) => {
    // In the second round, memory comes from the pool and holds old values.
    for (const seed of [1, 2]) {
      await compareWithReference(device, name, { inputs: shapes.map((shape) => ({ shape })), attrs, seed });
      await compareWithReference(device, 'relu', { inputs: [{ shape: [200] }], attrs: {}, seed });
    }
  });
});
