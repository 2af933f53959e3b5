import { test } from 'vitest';
import { compareWithReference, runOperator } from '../../support/adapter.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';

describeOnDevice('batched matrix products', (device) => {
  const transposes = [
    {},
    { transposeA: true },
    { transposeB: true },
    { transposeA: true, transposeB: true },
  ] satisfies object[];
  const flip = (shape: number[], yes: boolean | undefined) =>
    yes ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;

  // Multiples of four, which the tuned variant serves where the adapter has subgroups; and primes, which the reference does.
  test.each(transposes)(
    'matmul: every kind of broadcasting, %j',
    async (attrs: { transposeA?: boolean; transposeB?: boolean }) => {
      for (const [a, b] of [
        [
          [5, 12, 8],
          [5, 8, 20],
        ],
        [
          [5, 12, 8],
          [8, 20],
        ],
        [
          [12, 8],
          [5, 8, 20],
        ],
        [
          [2, 1, 4, 8],
          [3, 8, 4],
        ],
        [
          [3, 7, 11],
          [3, 11, 13],
        ],
        [
          [1, 1, 1],
          [7, 1, 1],
        ],
        [
          [0, 2, 3],
          [3, 2],
        ],
        [
          [2, 3],
          [0, 3, 2],
        ],
        [
          [2, 3, 0],
          [2, 0, 3],
        ],
      ] as [number[], number[]][]) {
        const inputs = [{ shape: flip(a, attrs.transposeA) }, { shape: flip(b, attrs.transposeB) }];
        await compareWithReference(device, 'matmul', { inputs, attrs, seed: 23 }, 'integer');
      }
    },
  );

  test('matmul: more products than one dispatch can have', async () => {
    const n = 65_541;
    const a = { shape: [n, 1, 1], data: Array.from({ length: n }, (_, i) => i) };
    const b = { shape: [n, 1, 1], data: Array.from({ length: n }, (_, i) => i % 3) };
    const { output, grads } = await runOperator(device, 'matmul', [a, b], { transposeA: true }, Array(n).fill(2));
    expectClose(
      output,
      a.data.map((value, i) => value * b.data[i]!),
      { rtol: 0 },
    );
    expectClose(
      grads[1]!,
      a.data.map((value) => 2 * value),
      { rtol: 0 },
    );
  });

  test('matmul: NaN in one product of a batch does not affect the others', async () => {
    const a = { shape: [2, 1, 2], data: [1, Number.NaN, 1, 2] };
    const { output } = await runOperator(device, 'matmul', [a, { shape: [2, 1], data: [3, 4] }], {}, [1, 1]);
    expectClose(output, [Number.NaN, 11]);
  });

  test('linear: multiplies along the last axis of an input of rank 4', async () => {
    const inputs = [{ shape: [2, 3, 5, 7] }, { shape: [7, 11] }, { shape: [11] }];
    await compareWithReference(device, 'linear', { inputs, attrs: { activation: 'relu' }, seed: 2 });
  });
});
