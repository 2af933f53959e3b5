import { expect, test } from 'vitest';
import type { Tensor } from '../../../src/autograd/index.ts';
import * as tg from '../../../src/autograd/index.ts';
import { comparisonReferences, predicateReferences } from '../../reference/pointwise-table.ts';
import { runOperator } from '../../support/adapter.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { expectExactly } from '../../support/precision.ts';

const comparisons = {
  equal: tg.equal,
  notEqual: tg.notEqual,
  less: tg.less,
  lessEqual: tg.lessEqual,
  greater: tg.greater,
  greaterEqual: tg.greaterEqual,
  logicalAnd: tg.logicalAnd,
  logicalOr: tg.logicalOr,
};
const predicates = { logicalNot: tg.logicalNot, isNan: tg.isNan };
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
type Unary =
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'rsqrt'
  | 'sign'
  | 'abs'
  | 'relu6'
  | 'leakyRelu'
  | 'elu'
  | 'sigmoid'
  | 'tanh'
  | 'softplus'
  | 'clip';

describeOnDevice('pointwise operators at kinks and extremes', (device) => {
  test.each<[Unary, object, number[], number[], number[]]>([
    ['exp', {}, [-inf, 0, inf, nan], [0, 1, inf, nan], [0, 1, inf, nan]],
    ['log', {}, [0, 1, inf], [-inf, 0, inf], [inf, 1, 0]],
    ['sqrt', {}, [0, 4, inf], [0, 2, inf], [inf, 0.25, 0]],
    ['rsqrt', {}, [0, 4, inf, -1, nan], [inf, 0.5, 0, nan, nan], [-inf, -0.0625, 0, nan, nan]],
    ['sign', {}, [-inf, -2, -0, 0, 3, nan], [-1, -1, 0, 0, 1, nan], [0, 0, 0, 0, 0, 0]],
    ['abs', {}, [-2, 0, 3, nan], [2, 0, 3, nan], [-1, 0, 1, 0]],
    ['relu6', {}, [-1, 0, 3, 6, 7], [0, 0, 3, 6, 6], [0, 0, 1, 0, 0]],
    ['leakyRelu', { negativeSlope: 0.25 }, [-4, 0, 4], [-1, 0, 4], [0.25, 0.25, 1]],
    ['elu', {}, [-inf, 0, 5], [-1, 0, 5], [0, 1, 1]],
    ['sigmoid', {}, [-1e4, 0, 1e4, nan], [0, 0.5, 1, nan], [0, 0.25, 0, nan]],
    ['tanh', {}, [-1e4, 0, 1e4, inf, nan], [-1, 0, 1, 1, nan], [0, 1, 0, 0, nan]],
    ['softplus', {}, [-1e4, 1e4, inf], [0, 1e4, inf], [0, 1, 1]],
    ['clip', { min: -1, max: 2 }, [-inf, -1, 0, 2, 3, nan], [-1, -1, 0, 2, 2, nan], [0, 1, 1, 1, 0, 0]],
  ])('%s %j', async (name, attrs, x, output, slope) => {
    const ones = x.map(() => 1);
    const result = await runOperator(device, name, [{ shape: [x.length], data: x }], attrs, ones);
    expectExactly(device, result.output, output);
    expectExactly(device, result.grads[0]!, slope);
  });

  test('maximum and minimum: equal operands share the gradient; NaN if an operand is NaN', async () => {
    const inputs = [
      { shape: [4], data: [1, 2, 5, nan] },
      { shape: [4], data: [1, 3, 4, 0] },
    ];
    const max = await runOperator(device, 'maximum', inputs, {}, [1, 1, 1, 0]);
    expect(Array.from(max.output)).toEqual([1, 3, 5, nan]);
    expect(Array.from(max.grads[0]!).slice(0, 3)).toEqual([0.5, 0, 1]);
    const min = await runOperator(device, 'minimum', inputs, {}, [1, 1, 1, 0]);
    expect(Array.from(min.output)).toEqual([1, 2, 4, nan]);
    expect(Array.from(min.grads[1]!).slice(0, 3)).toEqual([0.5, 0, 1]);
  });

  test('pow: integer exponents of negative numbers', async () => {
    const x = [{ shape: [3], data: [-2, 0, 3] }];
    expect(Array.from((await runOperator(device, 'pow', x, { exponent: 3 }, [1, 1, 1])).output)).toEqual([-8, 0, 27]);
    const root = await runOperator(device, 'pow', x, { exponent: 0.5 }, [1, 1, 1]);
    expect(Array.from(root.output, Number.isNaN)).toEqual([true, false, false]);
  });

  test('pow: base 0 and exponent 0', async () => {
    const [a, b] = [
      [0, 0, 0, inf, 2],
      [0, -1, 2, 0, 0],
    ].map((data) => ({ shape: [5], data }));
    const { output, grads } = await runOperator(device, 'pow', [a!, b!], {}, [1, 1, 1, 1, 1]);
    expectExactly(device, output, [1, inf, 0, 1, 1]);
    expectExactly(device, grads[0]!, [0, -inf, 0, 0, 0]);
    expectClose(grads[1]!, [0, -inf, 0, inf, Math.LN2]); // PyTorch's
    const inverse = await runOperator(device, 'pow', [{ shape: [2], data: [0, 2] }], { exponent: -1 }, [1, 1]);
    expect(Array.from(inverse.output)).toEqual([inf, 0.5]);
  });

  test.each(Object.keys(comparisonReferences) as (keyof typeof comparisonReferences)[])(
    '%s: broadcasting',
    async (name) => {
      const [a, b] = [
        [1, 2, nan, 0, -0],
        [2, 1, 0],
      ];
      const y = tg.scope(device, () => comparisons[name](tg.tensor(device, a, [5]), tg.tensor(device, b, [3, 1])));
      expect(y.shape).toEqual([3, 5]);
      expect(y.requiresGrad).toBe(false);
      const expected = b.flatMap((right) => a.map((left) => Number(comparisonReferences[name](left, right))));
      expect(Array.from(await y.data())).toEqual(expected);
      y.dispose();
    },
  );

  test.each(Object.keys(predicates) as (keyof typeof predicates)[])('%s', async (name) => {
    const x = [0, -0, 1, -2, 1e-30, nan, inf, -inf, 3];
    const y = tg.scope(device, () => predicates[name](tg.tensor(device, x, [3, 3], { requiresGrad: true })));
    expect([y.shape, y.requiresGrad]).toEqual([[3, 3], false]);
    expect(Array.from(await y.data())).toEqual(x.map((value) => Number(predicateReferences[name](value))));
    y.dispose();
  });

  test('where: NaN in the operand that is not selected does not affect the gradient', async () => {
    const x = tg.tensor(device, [-2, nan, 0.5, 3], [4], { requiresGrad: true });
    const y = tg.scope(device, () => {
      const [low, high] = [tg.tensor(device, [-1], [1]), tg.tensor(device, [1], [1])];
      const between = tg.logicalAnd(tg.greater(x, low), tg.less(x, high));
      const wanted = tg.logicalOr(between, tg.logicalNot(tg.logicalOr(tg.isNan(x), tg.less(x, high))));
      const chosen = tg.where(wanted, x, tg.tensor(device, [9], [1]));
      tg.sum(chosen).backward();
      return chosen;
    });
    expect(Array.from(await y.data())).toEqual([9, 9, 0.5, 3]);
    expect(Array.from(await x.grad!.data())).toEqual([0, 0, 1, 1]);
    for (const t of [x.grad!, x, y]) t.dispose();
  });

  test('where: infinity and NaN reach only the operand that is selected', async () => {
    const inputs = [
      { shape: [3], data: [1, 0, 1], dtype: 'u32' as const },
      { shape: [3], data: [1, nan, 3] },
      { shape: [], data: [inf] },
    ];
    const { output, grads } = await runOperator(device, 'where', inputs, {}, [1, 2, 3]);
    expect(Array.from(output)).toEqual([1, inf, 3]);
    expect(grads.map((grad) => grad && Array.from(grad))).toEqual([null, [1, 0, 3], [2]]);
  });

  test.each<[string, (x: Tensor) => Tensor, number[], number]>([
    ['x + 2', (x) => tg.add(x, 2), [3, 5], 1],
    ['2 - x', (x) => tg.sub(2, x), [1, -1], -1],
    ['-3 x', (x) => tg.mul(-3, x), [-3, -9], -3],
    ['x / 4', (x) => tg.div(x, 4), [0.25, 0.75], 0.25],
    ['max(x, 0.5)', (x) => tg.maximum(0.5, x), [1, 3], 1],
  ])('%s: a number is a scalar tensor', async (_, f, expected, slope) => {
    const x = tg.tensor(device, [1, 3, 1, 3], [2], { requiresGrad: true, models: 2 });
    const y = f(x);
    y.backward(tg.tensor(device, [1, 1, 1, 1], [2], { models: 2 }));
    expect(Array.from(await y.data())).toEqual([...expected, ...expected]);
    expect(Array.from(await x.grad!.data())).toEqual([slope, slope, slope, slope]);
    expect(Array.from(await tg.less(x, 2).data())).toEqual([1, 0, 1, 0]);
  });

  test.each<[string, () => Tensor, string[]]>([
    ['two numbers', () => tg.add(1, 2), ['add', 'tensor', '1']],
    ['shapes', () => tg.mul(tg.tensor(device, [1, 2, 3], [3]), tg.tensor(device, [1, 2], [2])), ['mul', '[3]', '[2]']],
    ['option', () => tg.elu(tg.tensor(device, [1], [1]), { alpha: 'x' as unknown as number }), ['elu', 'alpha', 'x']],
    ['type', () => tg.exp(tg.tensor(device, [1], [1], { dtype: 'u32' })), ['exp', 'u32']],
    ['integers, which are never NaN', () => tg.isNan(tg.tensor(device, [1], [1], { dtype: 'u32' })), ['isNan', 'u32']],
    ['no tensor', () => tg.isNan(1 as unknown as Tensor), ['isNan', 'the input', '1']],
    [
      'a word',
      () => tg.logicalOr(tg.tensor(device, [1], [1]), 'no' as unknown as Tensor),
      ['logicalOr', 'right', 'no'],
    ],
  ])('throws for %s', (_, call, words) => {
    expect(call).toThrow(
      tg.scope(device, () => expect.objectContaining({ name: expect.stringMatching(/ShapeError|ArgumentError/) })),
    );
    try {
      call();
    } catch (error) {
      for (const word of words) expect((error as Error).message).toContain(word);
    }
  });
});
