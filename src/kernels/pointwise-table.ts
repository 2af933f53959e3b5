// The pointwise operators, one row each: what it computes and its derivative, once in WGSL for the kernels and once in
// float64 for the tests, with the text of the documentation. A row without a derivative does not compile.

import { cdf, density } from './normal.ts';

/** An operator of one input. What becomes of NaN is decided by its bits: see shaders/float_bits.wgsl. In WGSL, `x` is the input, `y` the output, `p` and `q` the options. */
export interface UnaryRow {
  /** For the documentation: the formula. */
  formula: string;
  forward: string;
  derivative: string;
  /** Where the derivative is 0 nothing comes through, not even an infinite gradient or one that is NaN, as in PyTorch. */
  masks?: true;
  /** Names and defaults of up to two numeric options, in the order p, q. */
  options?: Readonly<Record<string, number>>;
  /** The same in float64. */
  reference: {
    forward(x: number, p: number, q: number): number;
    derivative(x: number, y: number, p: number, q: number): number;
  };
  /** Inputs at which it is smooth and finite, made from a normal draw; default all. */
  domain?(x: number): number;
}

/** An operator of two inputs of one shape (after broadcasting). In WGSL, `a` and `b` are the inputs, `y` the output. */
export interface BinaryRow {
  formula: string;
  forward: string;
  /** For a and for b. */
  derivatives: readonly [string, string];
  /** As in `UnaryRow`. */
  masks?: true;
  reference: {
    forward(a: number, b: number): number;
    derivatives(a: number, b: number, y: number): [number, number];
  };
  /** For each operand: inputs at which it is smooth and finite, made from a normal draw. */
  domain?: readonly [(a: number) => number, (b: number) => number];
}

const positive = (x: number) => Math.abs(x) + 0.1;
/** Away from 0, where some have a kink or a pole. */
const away = (x: number) => (x < 0 ? x - 0.1 : x + 0.1);
/** Operands that are never equal, nor nearly. */
const apart = [(a: number) => Math.round(4 * a) / 4, (b: number) => Math.round(4 * b) / 4 + 0.125] as const;
const logistic = (x: number) => 1 / (1 + Math.exp(-x));
/** Of both signs alike, and not as y (1 - y), which is 0 where y rounds to 1. */
const logisticSlope = (x: number) => Math.exp(-Math.abs(x)) / (1 + Math.exp(-Math.abs(x))) ** 2;
const geluInner = (x: number) => Math.sqrt(8 / Math.PI) * (x + 0.044715 * x ** 3);

export const unaryTable = {
  neg: {
    formula: '-x',
    forward: '-x',
    derivative: '-1.0',
    reference: { forward: (x) => -x, derivative: () => -1 },
  },
  exp: {
    formula: 'e^x',
    forward: 'exp(x)',
    derivative: 'y',
    reference: { forward: Math.exp, derivative: (_, y) => y },
  },
  log: {
    formula: 'the natural logarithm; -inf at 0, NaN below',
    forward: 'exact_log(x)',
    derivative: '1.0 / x',
    reference: { forward: Math.log, derivative: (x) => 1 / x },
    domain: positive,
  },
  sqrt: {
    formula: 'the square root; NaN below 0',
    forward: 'sqrt(x)',
    derivative: '0.5 / y',
    reference: { forward: Math.sqrt, derivative: (_, y) => 0.5 / y },
    domain: positive,
  },
  rsqrt: {
    formula: '1 / sqrt(x); infinity at 0, NaN below',
    forward: '1.0 / sqrt(x)',
    derivative: '-0.5 * y * y * y',
    reference: { forward: (x) => 1 / Math.sqrt(x), derivative: (_, y) => -0.5 * y ** 3 },
    domain: positive,
  },
  square: {
    formula: 'x^2',
    forward: 'x * x',
    derivative: '2.0 * x',
    reference: { forward: (x) => x * x, derivative: (x) => 2 * x },
  },
  reciprocal: {
    formula: '1 / x',
    forward: '1.0 / x',
    derivative: '-y * y',
    reference: { forward: (x) => 1 / x, derivative: (_, y) => -y * y },
    domain: away,
  },
  abs: {
    formula: '|x|; the gradient at 0 is 0, and at NaN too, as in PyTorch',
    forward: 'abs(x)',
    derivative: 'select(select(0.0, -1.0, is_negative(x)), 1.0, is_positive(x))',
    reference: { forward: Math.abs, derivative: (x) => (x > 0 ? 1 : x < 0 ? -1 : 0) },
    domain: away,
  },
  sign: {
    formula: '-1, 0 or 1; NaN stays NaN, as in NumPy (PyTorch: 0). The gradient is 0 everywhere, as in PyTorch',
    forward: 'select(select(x, -1.0, is_negative(x)), 1.0, is_positive(x))',
    derivative: '0.0',
    masks: true,
    reference: { forward: Math.sign, derivative: () => 0 },
    domain: away,
  },
  relu: {
    formula: 'max(x, 0); NaN stays NaN; the gradient is 0 at 0 and 1 at NaN, as in PyTorch',
    forward: 'select(x, 0.0, is_at_most_zero(x))',
    derivative: 'select(1.0, 0.0, is_at_most_zero(y))',
    masks: true,
    reference: { forward: (x) => (x <= 0 ? 0 : x), derivative: (_, y) => (y <= 0 ? 0 : 1) },
    domain: away,
  },
  relu6: {
    formula:
      'min(max(x, 0), 6); the gradient is 0 at 0 and 6, as in PyTorch, and 1 at NaN (PyTorch: 0 or 1, by its device)',
    forward: 'select(select(x, 6.0, !is_nan(x) && x >= 6.0), 0.0, is_at_most_zero(x))',
    derivative: 'select(1.0, 0.0, is_at_most_zero(x) || (!is_nan(x) && x >= 6.0))',
    masks: true,
    reference: {
      forward: (x) => (x <= 0 ? 0 : x >= 6 ? 6 : x),
      derivative: (x) => (x <= 0 || x >= 6 ? 0 : 1),
    },
    domain: (x) => away(4 * x) + (Math.abs(4 * x - 5.95) < 0.2 ? 1 : 0),
  },
  leakyRelu: {
    formula: "x above 0, negativeSlope * x from 0 down; PyTorch's default slope 0.01, where Keras's layer has 0.3",
    forward: 'select(x, p * x, is_at_most_zero(x))',
    // At 0 and at NaN it is the slope, as in PyTorch.
    derivative: 'select(p, 1.0, is_positive(x))',
    options: { negativeSlope: 0.01 },
    reference: { forward: (x, p) => (x <= 0 ? p * x : x), derivative: (x, _, p) => (x > 0 ? 1 : p) },
    domain: away,
  },
  elu: {
    formula: 'x above 0, alpha (e^x - 1) from 0 down',
    forward: 'select(x, p * expm1(x), is_at_most_zero(x))',
    // At 0 it is alpha, as in PyTorch; at NaN 1 (PyTorch: 1 or NaN, by its device).
    derivative: 'select(1.0, p * exp(x), is_at_most_zero(x))',
    options: { alpha: 1 },
    reference: {
      forward: (x, p) => (x <= 0 ? p * Math.expm1(x) : x),
      derivative: (x, _, p) => (x <= 0 ? p * Math.exp(x) : 1),
    },
    domain: away,
  },
  sigmoid: {
    formula: '1 / (1 + e^-x)',
    forward: '1.0 / (1.0 + exp(-x))',
    derivative: 'sigmoid_derivative(x)',
    reference: { forward: logistic, derivative: logisticSlope },
  },
  tanh: {
    formula: 'the hyperbolic tangent',
    forward: 'exact_tanh(x)',
    derivative: 'tanh_derivative(x)',
    reference: { forward: Math.tanh, derivative: (x) => Math.cosh(x) ** -2 },
  },
  softplus: {
    formula: 'log(1 + e^x), computed as max(x, 0) + log(1 + e^-|x|), which does not overflow',
    forward: 'select(x, 0.0, is_at_most_zero(x)) + log1p(exp(-abs(x)))',
    derivative: '1.0 / (1.0 + exp(-x))',
    reference: {
      forward: (x) => (x <= 0 ? 0 : x) + Math.log1p(Math.exp(-Math.abs(x))),
      derivative: logistic,
    },
  },
  gelu: {
    // At -infinity it is 0 times infinity, NaN, and so is the gradient at both infinities: as in PyTorch.
    formula: 'x times the normal distribution function at x (the exact form, with erf), as Keras has by default',
    forward: 'exact_gelu(x)',
    derivative: 'gelu_derivative(x)',
    reference: {
      forward: (x) => x * cdf(x),
      derivative: (x) => cdf(x) + x * density(x),
    },
  },
  geluTanh: {
    formula: 'x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the approximation of gelu (Hendrycks and Gimpel 2016)',
    forward: 'gelu_tanh(x)',
    derivative: 'gelu_tanh_derivative(x)',
    // (1 + tanh(u / 2)) / 2 is the logistic function of u, which does not cancel.
    reference: {
      forward: (x) => x * logistic(geluInner(x)),
      derivative: (x) => {
        const slope = Math.sqrt(8 / Math.PI) * (1 + 0.134145 * x * x);
        return logistic(geluInner(x)) + x * slope * logisticSlope(geluInner(x));
      },
    },
  },
  power: {
    formula: 'x^exponent for one number as the exponent; NaN where x < 0 and the exponent is not whole',
    forward: 'power(x, p)',
    derivative: 'select(p * power(x, p - 1.0), 0.0, is_zero(p))',
    options: { exponent: 2 },
    reference: { forward: (x, p) => x ** p, derivative: (x, _, p) => (p === 0 ? 0 : p * x ** (p - 1)) },
    domain: away,
  },
  clip: {
    formula: 'x kept within min .. max; NaN stays NaN; the gradient passes where min <= x <= max, as in PyTorch',
    forward: 'select(select(select(x, p, x < p), q, x > q), x, is_nan(x))',
    derivative: 'select(0.0, 1.0, !is_nan(x) && x >= p && x <= q)',
    masks: true,
    options: { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY },
    reference: {
      forward: (x, p, q) => (x < p ? p : x > q ? q : x),
      derivative: (x, _, p, q) => (x >= p && x <= q ? 1 : 0),
    },
  },
} as const satisfies Record<string, UnaryRow>;

export const binaryTable = {
  add: {
    formula: 'a + b',
    forward: 'a + b',
    derivatives: ['1.0', '1.0'],
    reference: { forward: (a, b) => a + b, derivatives: () => [1, 1] },
  },
  sub: {
    formula: 'a - b',
    forward: 'a - b',
    derivatives: ['1.0', '-1.0'],
    reference: { forward: (a, b) => a - b, derivatives: () => [1, -1] },
  },
  mul: {
    formula: 'a b',
    forward: 'a * b',
    derivatives: ['b', 'a'],
    reference: { forward: (a, b) => a * b, derivatives: (a, b) => [b, a] },
  },
  div: {
    formula: 'a / b',
    forward: 'a / b',
    derivatives: ['1.0 / b', '-y / b'],
    reference: { forward: (a, b) => a / b, derivatives: (_, b, y) => [1 / b, -y / b] },
    domain: [(a) => a, away],
  },
  pow: {
    formula: 'a^b; NaN where a < 0 and b is not whole. The gradient of b is NaN where a < 0, as in PyTorch',
    forward: 'power(a, b)',
    derivatives: [
      'select(b * power(a, b - 1.0), 0.0, is_zero(b))',
      'select(y * exact_log(a), 0.0, is_zero(a) && (is_zero(b) || is_positive(b)))',
    ],
    reference: {
      forward: (a, b) => a ** b,
      derivatives: (a, b, y) => [b === 0 ? 0 : b * a ** (b - 1), a === 0 && b >= 0 ? 0 : y * Math.log(a)],
    },
    domain: [positive, (b) => b],
  },
  maximum: {
    formula:
      'the larger of a and b; equal ones share the gradient, and where one is NaN both get all of it, as in PyTorch',
    forward: 'select(a + b, select(b, a, a > b), are_numbers(a, b))',
    derivatives: [
      'select(1.0, select(select(1.0, 0.0, a < b), 0.5, a == b), are_numbers(a, b))',
      'select(1.0, select(select(1.0, 0.0, b < a), 0.5, a == b), are_numbers(a, b))',
    ],
    masks: true,
    reference: {
      forward: (a, b) => Math.max(a, b),
      derivatives: (a, b) => (a === b ? [0.5, 0.5] : [a < b ? 0 : 1, b < a ? 0 : 1]),
    },
    domain: apart,
  },
  minimum: {
    formula:
      'the smaller of a and b; equal ones share the gradient, and where one is NaN both get all of it, as in PyTorch',
    forward: 'select(a + b, select(b, a, a < b), are_numbers(a, b))',
    derivatives: [
      'select(1.0, select(select(1.0, 0.0, a > b), 0.5, a == b), are_numbers(a, b))',
      'select(1.0, select(select(1.0, 0.0, b > a), 0.5, a == b), are_numbers(a, b))',
    ],
    masks: true,
    reference: {
      forward: (a, b) => Math.min(a, b),
      derivatives: (a, b) => (a === b ? [0.5, 0.5] : [a > b ? 0 : 1, b > a ? 0 : 1]),
    },
    domain: apart,
  },
} as const satisfies Record<string, BinaryRow>;

export type UnaryName = keyof typeof unaryTable;
export type BinaryName = keyof typeof binaryTable;

/** A comparison of two inputs. */
export interface ComparisonRow {
  /** Of f32, where NaN has its own rules. */
  forward: string;
  /** Of u32 or i32. */
  integers: string;
  reference(a: number, b: number): boolean;
}

/** Comparisons and logic: 1 where it holds, else 0, as f32. They have no gradient. */
export const comparisonTable = {
  equal: { forward: 'are_numbers(a, b) && a == b', integers: 'a == b', reference: (a: number, b: number) => a === b },
  notEqual: {
    forward: '!are_numbers(a, b) || a != b',
    integers: 'a != b',
    reference: (a: number, b: number) => a !== b,
  },
  less: { forward: 'are_numbers(a, b) && a < b', integers: 'a < b', reference: (a: number, b: number) => a < b },
  lessEqual: {
    forward: 'are_numbers(a, b) && a <= b',
    integers: 'a <= b',
    reference: (a: number, b: number) => a <= b,
  },
  greater: { forward: 'are_numbers(a, b) && a > b', integers: 'a > b', reference: (a: number, b: number) => a > b },
  greaterEqual: {
    forward: 'are_numbers(a, b) && a >= b',
    integers: 'a >= b',
    reference: (a: number, b: number) => a >= b,
  },
  logicalAnd: {
    forward: '!is_zero(a) && !is_zero(b)',
    integers: 'a != 0 && b != 0',
    reference: (a: number, b: number) => a !== 0 && b !== 0,
  },
  logicalOr: {
    forward: '!is_zero(a) || !is_zero(b)',
    integers: 'a != 0 || b != 0',
    reference: (a: number, b: number) => a !== 0 || b !== 0,
  },
} as const satisfies Record<string, ComparisonRow>;

export type ComparisonName = keyof typeof comparisonTable;

/** The same of one input; without `integers` it is of f32 only. */
export const predicateTable = {
  logicalNot: { forward: 'is_zero(x)', integers: 'x == 0', reference: (x: number) => x === 0 },
  isNan: { forward: 'is_nan(x)', reference: (x: number) => Number.isNaN(x) },
} as const;

export type PredicateName = keyof typeof predicateTable;
