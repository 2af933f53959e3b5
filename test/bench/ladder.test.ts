import { expect, test } from 'vitest';
import { canRun, climb, rungs } from '../../bench/ladder/rungs.ts';
import { scope, Tensor, tensor } from '../../src/node.ts';
import { matmul } from '../reference/matmul.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';

/** Integers, so that the result is exact for any order of additions. */
describeOnDevice('bench/ladder', (device) => {
  for (const rung of rungs) {
    test.skipIf(!canRun(device, rung))(`computes a product: ${rung.name}`, async () => {
      const [rows, columns] = rung.tile(device.subgroupLanes ?? 0);
      const [stepM, stepN, stepK] = rung.step;
      // The smallest size allowed, an odd number of steps, and more than a workgroup's tile each way.
      for (const [m, n, k] of [
        [stepM, stepN, stepK],
        [3 * stepM, stepN, 5 * stepK],
        [stepM * (Math.ceil(rows / stepM) + 1), stepN * (Math.ceil(columns / stepN) + 1), 3 * stepK],
      ] as const) {
        const [a, b] = [drawLike([m, k], m + n, 'integer'), drawLike([k, n], k, 'integer')];
        const upload = ({ shape, data }: typeof a) => tensor(device, data, shape).array;
        const c = scope(device, () => new Tensor(climb(rung, upload(a), upload(b))));
        const expected = matmul.forward([a, b], {}).data;
        expect(Array.from(await c.data(), (value) => value + 0)).toEqual(Array.from(expected, (value) => value + 0));
        c.dispose();
      }
    });
  }
});
