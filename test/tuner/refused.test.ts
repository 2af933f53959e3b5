import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Device, neg, openDevice, ShaderError, tensor, tune } from '../../src/node.ts';
import type { Problem } from '../../src/tuner/bench.ts';
import { type NotTuned, tuneProblems } from '../../src/tuner/session.ts';
import { DRIVER_SAYS, failure, type Refuser, refusePipelines } from '../support/adapter-refusals.ts';
import { describeOnDevice } from '../support/device.ts';

const product = { m: 16, n: 8, k: 12, transposeA: 0, transposeB: 1, batch: 1 };
const matmul: Problem = { operator: 'matmul', sizes: product };
const rows: Problem = { operator: 'reduceSum', sizes: { outer: 3, rows: 68, channels: 1 } };
const SAYS: Record<Refuser, string> = { validation: 'nonesuch', internal: DRIVER_SAYS };

/** Enough seconds for compilation, so that no problem is left out. */
const seconds = 120;

async function expectUsable(device: Device): Promise<void> {
  using x = tensor(device, [1, -2], [2]);
  using y = neg(x);
  expect([...(await y.data())]).toEqual([-1, 2]);
}

describeOnDevice('tuning if the adapter refuses kernels', () => {
  test.each<Refuser>(['validation', 'internal'])(
    'a variant is rejected with the reason, and the others are measured (%s error)',
    async (refuser) => {
      using device = await openDevice();
      using _ = refusePipelines(device, refuser, (label) => label.startsWith('matmul_workgroup'));
      const [products, sums] = await tuneProblems(device, [matmul, rows], { seconds });
      expect(products!.rejected).toEqual([{ variant: 'workgroup', reason: expect.stringContaining(SAYS[refuser]) }]);
      expect(products!.rejected[0]!.reason).toMatch(/^shader matmul_workgroup\w*\.wgsl/);
      expect(products!.variant).not.toBe('workgroup');
      expect(Object.keys(products!.ms)).not.toContain('workgroup');
      expect(sums!.rejected).toEqual([]);
      expect(device.choices.tuned.get(products!.key)).toBe(products!.variant);
      await expectUsable(device);
      // The cause is known without another request to the adapter.
      const [again] = await tuneProblems(device, [matmul], { seconds });
      expect(again!.rejected).toEqual(products!.rejected);
    },
  );

  test('a kernel that was refused earlier does not make a problem fail', async () => {
    using device = await openDevice();
    using x = tensor(device, [1], [1]);
    {
      using _ = refusePipelines(device, 'internal');
      device.record(() => neg(x).dispose()).dispose();
    }
    const [sums] = await tuneProblems(device, [rows], { seconds });
    expect(sums!.rejected).toEqual([]);
  });

  test('only its problem fails if the reference is refused', async () => {
    using device = await openDevice();
    using _ = refusePipelines(device, 'internal', (label) => label === 'matmul');
    const failed: NotTuned[] = [];
    const seen: string[] = [];
    const results = await tuneProblems(device, [matmul, rows], {
      seconds,
      onFailed: (one) => failed.push(one),
      onTuned: ({ operator }, { done, total }) => seen.push(`${operator} ${done}/${total}`),
    });
    expect(failed).toEqual([
      {
        ...matmul,
        key: expect.any(String),
        shapes: '[16,12] [8,12] -> [16,8]',
        reason: expect.stringContaining(DRIVER_SAYS),
      },
    ]);
    expect(results.map(({ operator }) => operator)).toEqual(['reduceSum']);
    expect(seen).toEqual(['reduceSum 2/2']);
    expect([...device.choices.tuned.keys()]).toEqual([results[0]!.key]);
    await expectUsable(device);
  });

  test('without onFailed the error is thrown after the others are measured and saved', async () => {
    using device = await openDevice();
    using _ = refusePipelines(device, 'internal', (label) => label.startsWith('matmul'));
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-tuning-'));
    try {
      const seen: string[] = [];
      const options = { folder, seconds, onTuned: ({ operator }: Problem) => void seen.push(operator) };
      const error = await failure(() => tune(device, [matmul, rows], options));
      expect(error).toBeInstanceOf(ShaderError);
      expect(error.message).toContain(DRIVER_SAYS);
      expect(seen).toEqual(['reduceSum']);
      expect([...device.choices.tuned.keys()]).toHaveLength(1);
      await expectUsable(device);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
