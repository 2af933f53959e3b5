import { expect, test } from 'vitest';
import * as tg from '../../src/autograd/index.ts';
import { ArgumentError, type DType } from '../../src/index.ts';
import { describeOnDevice } from '../support/device.ts';
import { expectRefused } from '../support/invalid-calls.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
/** Adjacent integers that are equal in f32. */
const LARGE = [16_777_216, 16_777_217, 4_294_967_295, 4_294_967_294, 0];

describeOnDevice('integer tensors', (device) => {
  const ints = (data: number[], dtype: DType = 'u32', shape = [data.length]) =>
    tg.tensor(device, data, shape, { dtype });
  const values = async (y: tg.Tensor) => Array.from(await y.data());

  test('equal: the mean of equal(argmax(a), argmax(b)) is the accuracy', async () => {
    const [a, b] = [
      [1, 2, 3, 9, 1, 4],
      [0, 7, 2, 9, 3, 4],
    ].map((data) => tg.argmax(tg.tensor(device, data, [2, 3]), { axis: 1 }));
    const same = tg.equal(a!, b!);
    expect([same.dtype, await values(same)]).toEqual(['f32', [0, 1]]);
    expect(await tg.mean(same).item()).toBe(0.5);
    expect(await values(tg.equal(a!, ints([2, 1])))).toEqual([1, 0]);
  });

  const comparisons: Record<string, [(a: tg.Operand, b: tg.Operand) => tg.Tensor, (a: number, b: number) => boolean]> =
    {
      equal: [tg.equal, (a, b) => a === b],
      notEqual: [tg.notEqual, (a, b) => a !== b],
      less: [tg.less, (a, b) => a < b],
      lessEqual: [tg.lessEqual, (a, b) => a <= b],
      greater: [tg.greater, (a, b) => a > b],
      greaterEqual: [tg.greaterEqual, (a, b) => a >= b],
      logicalAnd: [tg.logicalAnd, (a, b) => a !== 0 && b !== 0],
      logicalOr: [tg.logicalOr, (a, b) => a !== 0 || b !== 0],
    };

  test.each(Object.entries(comparisons))(
    '%s: exact for u32 and i32, with broadcasting and with numbers',
    async (_, [call, holds]) => {
      const negative = [-2_147_483_648, -2_147_483_647, -1, 0, 16_777_217];
      for (const [dtype, data] of [
        ['u32', LARGE],
        ['i32', negative],
      ] as const) {
        const all = data.flatMap((a) => data.map((b) => Number(holds(a, b))));
        const y = call(ints([...data], dtype, [data.length, 1]), ints([...data], dtype));
        expect([y.dtype, y.shape]).toEqual(['f32', [data.length, data.length]]);
        expect(await values(y)).toEqual(all);
        expect(await values(call(ints([...data], dtype), data[1]!))).toEqual(
          data.map((a) => Number(holds(a, data[1]!))),
        );
        expect(await values(call(data[1]!, ints([...data], dtype)))).toEqual(
          data.map((b) => Number(holds(data[1]!, b))),
        );
      }
    },
  );

  test('logicalNot: of integers', async () => {
    expect(await values(tg.logicalNot(ints(LARGE)))).toEqual([0, 0, 0, 0, 1]);
    expect(await values(tg.logicalNot(ints([-1, 0, 7], 'i32')))).toEqual([0, 1, 0]);
  });

  test.each<[string, () => unknown, string[]]>([
    ['u32 with f32', () => tg.equal(ints([1]), tg.tensor(device, [1], [1])), ['equal', 'u32', 'f32', 'cast']],
    ['u32 with i32', () => tg.less(ints([1]), ints([1], 'i32')), ['less', 'u32', 'i32', 'cast']],
    ['u32 with a fraction', () => tg.equal(ints([1]), 0.5), ['equal', '0.5', 'u32', 'cast']],
    ['u32 with a negative number', () => tg.equal(ints([1]), -1), ['equal', '-1', 'u32', 'cast']],
    ['arithmetic', () => tg.add(ints([1]), ints([1])), ['add', 'u32', 'cast']],
    ['arithmetic with a number', () => tg.mul(ints([1]), 2), ['mul', 'u32', 'cast']],
    ['a function', () => tg.exp(ints([1])), ['exp', 'u32', 'cast']],
    ['a sum', () => tg.sum(ints([1])), ['sum', 'u32', 'cast']],
    ['a product', () => tg.matmul(ints([1], 'u32', [1, 1]), ints([1], 'u32', [1, 1])), ['matmul', 'u32', 'cast']],
    ['a type there is not', () => tg.cast(ints([1]), 'f64' as DType), ['cast', 'f32, u32 or i32', 'f64']],
    ['no tensor', () => tg.cast([1] as unknown as tg.Tensor, 'f32'), ['cast', 'tensor', '[1]']],
    [
      'a cast to integers, differentiated',
      () => tg.sum(tg.cast(tg.cast(tg.tensor(device, [1], [1], { requiresGrad: true }), 'i32'), 'f32')).backward(),
      ['backward', 'requires a gradient'],
    ],
  ])('throws for %s', (what, call, words) => expectRefused(device, [what, call, ArgumentError, words]));

  test('cast: f32 to integers drops the fraction, clamps to the range, and converts NaN to 0', async () => {
    const x = [1.9, -1.9, 0.5, -0, 3e9, -3e9, 5e9, inf, -inf, nan, 16_777_217];
    const tensor = tg.tensor(device, x, [11]);
    const [u, i] = [tg.cast(tensor, 'u32'), tg.cast(tensor, 'i32')];
    expect([u.dtype, i.dtype, u.shape]).toEqual(['u32', 'i32', [11]]);
    const top = 2_147_483_647;
    expect(await values(u)).toEqual([1, 0, 0, 0, 3e9, 0, 4_294_967_295, 4_294_967_295, 0, 0, 16_777_216]);
    expect(await values(i)).toEqual([1, -1, 0, 0, top, -top - 1, top, top, -top - 1, 0, 16_777_216]);
  });

  test('cast: integers to f32 round to the nearest, and u32 and i32 are the same 32 bits, as in NumPy', async () => {
    expect(await values(tg.cast(ints(LARGE), 'f32'))).toEqual(LARGE.map(Math.fround));
    expect(await values(tg.cast(ints([-1, -16_777_217, 5], 'i32'), 'f32'))).toEqual([-1, -16_777_216, 5]);
    expect(await values(tg.cast(ints([-1, 5], 'i32'), 'u32'))).toEqual([4_294_967_295, 5]);
    expect(await values(tg.cast(ints([4_294_967_295, 5]), 'i32'))).toEqual([-1, 5]);
  });

  test('cast: to its own type shares the data; f32 passes the gradient on', async () => {
    const x = tg.tensor(device, [1, 2], [2], { requiresGrad: true });
    const y = tg.cast(x, 'f32');
    tg.sum(tg.square(y)).backward();
    expect(await values(x.grad!)).toEqual([2, 4]);
    const u = ints([1, 2]);
    const again = tg.cast(u, 'u32');
    u.dispose(); // each is disposed on its own
    expect(await values(again)).toEqual([1, 2]);
    expect(tg.cast(x, 'i32').requiresGrad).toBe(false);
  });

  test('cast and comparisons: apply to all replicas', async () => {
    const x = tg.tensor(device, [1.5, -2, 3, 4], [2], { models: 2 });
    const cast = tg.cast(x, 'i32');
    expect(await values(cast)).toEqual([1, -2, 3, 4]);
    expect(await values(tg.greater(cast, 1))).toEqual([0, 0, 1, 1]);
  });
});
