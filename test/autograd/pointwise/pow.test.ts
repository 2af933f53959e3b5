import { expect, test } from 'vitest';
import { runOperator } from '../../support/adapter.ts';
import { expectClose, expectSameBits } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { bounded, ulp } from '../../support/precision.ts';

// Every case with the exponent as a number and as a tensor. Expected values come from Math.pow and the power rule in float64.
const bases = [-3, -2, -1.5, -1, -0.5, -0, 0, 0.5, 1, 2.5];
const exponents = [-3, -2, -1, 0, 1, 2, 3, 4, 7];

const derivative = (a: number, b: number) => (b === 0 ? 0 : b * a ** (b - 1));

describeOnDevice('pow', (device) => {
  const ones = (n: number) => new Array(n).fill(1);

  test.each(exponents)('pow: negative bases, integer exponent %d: value and gradient of the base', async (b) => {
    const base = { shape: [bases.length], data: bases };
    const number = await runOperator(device, 'pow', [base], { exponent: b }, ones(bases.length));
    const exponent = { shape: [bases.length], data: bases.map(() => b) };
    const tensor = await runOperator(device, 'pow', [base, exponent], {}, ones(bases.length));
    for (const [form, { output, grads }] of Object.entries({ number, tensor })) {
      const values = bases.map((a) => a ** b);
      expectClose(output, values, { rtol: 2e-6 }, `${form}, value`);
      expectClose(
        grads[0]!,
        bases.map((a) => derivative(a, b)),
        { rtol: 4e-6 },
        `${form}, gradient of the base`,
      );
      expect(Array.from(output, Math.sign), `${form}, signs`).toEqual(values.map((v) => Math.sign(v)));
    }
  });

  test('pow: a broadcast exponent, and a number raised to a tensor', async () => {
    const a = { shape: [2, 1], data: [-2, 3] };
    const b = { shape: [3], data: [2, 3, -1] };
    const { output, grads } = await runOperator(device, 'pow', [a, b], {}, ones(6));
    expectClose(output, [4, -8, -0.5, 9, 27, 1 / 3], { rtol: 2e-6 });
    expectClose(grads[0]!, [-4 + 12 - 0.25, 6 + 27 - 1 / 9], { rtol: 4e-6 });
  });

  test('pow: the gradient of the exponent is a^b log(a), NaN for negative a, as in PyTorch', async () => {
    const inputs = [
      { shape: [3], data: [-2, 2, 0] },
      { shape: [3], data: [3, 3, 3] },
    ];
    const { grads } = await runOperator(device, 'pow', inputs, {}, ones(3));
    expectClose(grads[1]!, [Number.NaN, 8 * Math.LN2, 0], { rtol: 4e-6 });
  });

  test('pow: NaN for a negative base and a fractional exponent', async () => {
    const base = { shape: [4], data: [-2, -0.5, -1, 4] };
    const number = await runOperator(device, 'pow', [base], { exponent: 0.5 }, ones(4));
    const exponent = { shape: [4], data: [0.5, 0.5, 0.5, 0.5] };
    const tensor = await runOperator(device, 'pow', [base, exponent], {}, ones(4));
    for (const { output, grads } of [number, tensor]) {
      expectClose(output, [Number.NaN, Number.NaN, Number.NaN, 2]);
      expectClose(grads[0]!, [Number.NaN, Number.NaN, Number.NaN, 0.25]);
    }
  });

  // NumPy: numpy.power(float64) gives the same.
  test('pow: even exponents of any size give positive results, odd exponents keep the sign', async () => {
    const [a, b] = [
      [-1, -1, -1, -1.0001, -1.0001, -10, -10],
      [1_000_001, 1_000_000, 16_777_216, 1001, 1000, 37, -37],
    ];
    const inputs = [a, b].map((data) => ({ shape: [7], data: data.map(Math.fround) }));
    const { output } = await runOperator(device, 'pow', inputs, {}, ones(7));
    expectClose(
      output,
      inputs[0]!.data.map((v, i) => v ** inputs[1]!.data[i]!),
      { rtol: 1e-5 },
    );
  });

  // Each multiplication rounds once, by 2^-24. A negative exponent needs two divisions.
  test('pow: integer exponents from -8 to 8, and their gradients, are as exact as multiplication', async () => {
    const x = [4000, -4000, 3999.7, 1234.5, 3.3, 1.0001, 0.77, -0.31, 0.0123].map(Math.fround);
    const powers = Array.from({ length: 17 }, (_, i) => i - 8);
    for (const p of powers) {
      const inputs = [{ shape: [x.length], data: x }];
      const number = await runOperator(device, 'pow', inputs, { exponent: p }, ones(x.length));
      const exponent = { shape: [x.length], data: x.map(() => p) };
      const tensor = await runOperator(device, 'pow', [...inputs, exponent], {}, ones(x.length));
      for (const { output, grads } of [number, tensor]) {
        const rounding = (n: number) => {
          const divided = n < 0 ? bounded(device, 2, 10) : 0; // a division is off by 2^-24, or by 2.5 ulp where WGSL's bound is used up
          return (Math.abs(n) + divided) * 2 ** -24;
        };
        expectClose(
          output,
          x.map((v) => v ** p),
          { rtol: rounding(p) },
          `x^${p}`,
        );
        // The slope's exponent beyond -8 is WGSL's pow.
        if (p > -8)
          expectClose(
            grads[0]!,
            x.map((v) => derivative(v, p)),
            { rtol: rounding(p - 1) + 2 ** -24 },
            `slope of x^${p}`,
          );
      }
    }
  });

  test('pow: x^3 at 4,000 is within 2 ulp, and x^2 has the bits of x * x', async () => {
    const x = Float32Array.from({ length: 256 }, (_, i) => 4000 - i / 7);
    const input = { shape: [x.length], data: x };
    const cube = await runOperator(device, 'pow', [input], { exponent: 3 }, ones(x.length));
    const off = Array.from(x, (v, i) => Math.abs(cube.output[i]! - v ** 3) / ulp(v ** 3));
    expect(Math.max(...off)).toBeLessThanOrEqual(2);
    const square = await runOperator(device, 'pow', [input], { exponent: 2 }, ones(x.length));
    expectSameBits(
      square.output,
      x.map((v) => v * v),
    );
  });

  test('pow: a negative exponent is finite where the positive power overflows or underflows', async () => {
    const cases = [
      [2 ** -21, -6, 2 ** 126],
      [2 ** -16, -7, 2 ** 112],
      [2 ** -63.5, -2, 2 ** 127],
      [2 ** 20, -6, 2 ** -120],
      [-0, -3, -Infinity],
      [0, -2, Infinity],
      [-Infinity, -3, 0],
    ] as const;
    for (const [x, p, y] of cases) {
      const { output } = await runOperator(device, 'pow', [{ shape: [1], data: [x] }], { exponent: p }, [1]);
      expectClose(output, [y], { rtol: 1e-6 }, `${x}^${p}`);
    }
  });

  test.each([
    [0.5, Infinity],
    [1.5, Infinity],
    [-0.5, 0],
    [2.5e-3, Infinity],
  ])('pow: minus infinity to the power %f is as in C', async (p, y) => {
    const { output } = await runOperator(
      device,
      'pow',
      [{ shape: [2], data: [-Infinity, -1] }],
      { exponent: p },
      [1, 1],
    );
    expect(Array.from(output)).toEqual([y, NaN]);
  });
});
