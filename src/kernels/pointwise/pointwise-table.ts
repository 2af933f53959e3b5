// The pointwise operators, one row each: what it computes and its derivative in WGSL. A row without a derivative does not compile, nor
// one without the same in float64: test/reference/pointwise-table.ts. That is not here because programs carry this table.

/** An operator of one input. What becomes of NaN is decided by its bits: see shaders/float_bits.wgsl. In WGSL, `x` is the input, `y` the output, `p` and `q` the options. */
export interface UnaryRow {
  forward: string;
  derivative: string;
  /** Where the derivative is 0 nothing comes through, not even an infinite gradient or one that is NaN, as in PyTorch. */
  masks?: true;
  /** Names and defaults of up to two numeric options, in the order p, q. */
  options?: Readonly<Record<string, number>>;
}

/** An operator of two inputs of one shape (after broadcasting). In WGSL, `a` and `b` are the inputs, `y` the output. */
export interface BinaryRow {
  forward: string;
  /** For a and for b. */
  derivatives: readonly [string, string];
  /** As in `UnaryRow`. */
  masks?: true;
}

export const unaryTable = {
  /** -x */
  neg: {
    forward: '-x',
    derivative: '-1.0',
  },
  /** e^x */
  exp: {
    forward: 'exp(x)',
    derivative: 'y',
  },
  /** The natural logarithm; -inf at 0, NaN below */
  log: {
    forward: 'exact_log(x)',
    derivative: '1.0 / x',
  },
  /** The square root; NaN below 0 */
  sqrt: {
    forward: 'sqrt(x)',
    derivative: '0.5 / y',
  },
  /** 1 / sqrt(x); infinity at 0, NaN below */
  rsqrt: {
    forward: '1.0 / sqrt(x)',
    derivative: '-0.5 * y * y * y',
  },
  /** x^2 */
  square: {
    forward: 'x * x',
    derivative: '2.0 * x',
  },
  /** 1 / x */
  reciprocal: {
    forward: '1.0 / x',
    derivative: '-y * y',
  },
  /** |x|; the gradient at 0 is 0, and at NaN too, as in PyTorch */
  abs: {
    forward: 'abs(x)',
    derivative: 'select(select(0.0, -1.0, is_negative(x)), 1.0, is_positive(x))',
  },
  /** -1, 0 or 1; NaN stays NaN, as in NumPy (PyTorch: 0). The gradient is 0 everywhere, as in PyTorch */
  sign: {
    forward: 'select(select(x, -1.0, is_negative(x)), 1.0, is_positive(x))',
    derivative: '0.0',
    masks: true,
  },
  /** max(x, 0); NaN stays NaN; the gradient is 0 at 0 and 1 at NaN, as in PyTorch */
  relu: {
    forward: 'select(x, 0.0, is_at_most_zero(x))',
    derivative: 'select(1.0, 0.0, is_at_most_zero(y))',
    masks: true,
  },
  /** min(max(x, 0), 6); the gradient is 0 at 0 and 6, as in PyTorch, and 1 at NaN (PyTorch: 0 or 1, by its device) */
  relu6: {
    forward: 'select(select(x, 6.0, !is_nan(x) && x >= 6.0), 0.0, is_at_most_zero(x))',
    derivative: 'select(1.0, 0.0, is_at_most_zero(x) || (!is_nan(x) && x >= 6.0))',
    masks: true,
  },
  /** x above 0, negativeSlope * x from 0 down; PyTorch's default slope 0.01, where Keras's layer has 0.3 */
  leakyRelu: {
    forward: 'select(x, p * x, is_at_most_zero(x))',
    // At 0 and at NaN it is the slope, as in PyTorch.
    derivative: 'select(p, 1.0, is_positive(x))',
    options: { negativeSlope: 0.01 },
  },
  /** x above 0, alpha (e^x - 1) from 0 down */
  elu: {
    forward: 'select(x, p * expm1(x), is_at_most_zero(x))',
    // At 0 it is alpha, as in PyTorch; at NaN 1 (PyTorch: 1 or NaN, by its device).
    derivative: 'select(1.0, p * exp(x), is_at_most_zero(x))',
    options: { alpha: 1 },
  },
  /** 1 / (1 + e^-x) */
  sigmoid: {
    forward: '1.0 / (1.0 + exp(-x))',
    derivative: 'sigmoid_derivative(x)',
  },
  /** The hyperbolic tangent */
  tanh: {
    forward: 'exact_tanh(x)',
    derivative: 'tanh_derivative(x)',
  },
  /** log(1 + e^x), computed as max(x, 0) + log(1 + e^-|x|), which does not overflow */
  softplus: {
    forward: 'select(x, 0.0, is_at_most_zero(x)) + log1p(exp(-abs(x)))',
    derivative: '1.0 / (1.0 + exp(-x))',
  },
  /** x times the normal distribution function at x (the exact form, with erf), as Keras has by default */
  gelu: {
    // At -infinity it is 0 times infinity, NaN, and so is the gradient at both infinities: as in PyTorch.
    forward: 'exact_gelu(x)',
    derivative: 'gelu_derivative(x)',
  },
  /** x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the approximation of gelu (Hendrycks and Gimpel 2016) */
  geluTanh: {
    forward: 'gelu_tanh(x)',
    derivative: 'gelu_tanh_derivative(x)',
  },
  /** x^exponent for one number as the exponent; NaN where x < 0 and the exponent is not whole */
  power: {
    forward: 'power(x, p)',
    derivative: 'select(p * power(x, p - 1.0), 0.0, is_zero(p))',
    options: { exponent: 2 },
  },
  /** x kept within min .. max; NaN stays NaN; the gradient passes where min <= x <= max, as in PyTorch */
  clip: {
    forward: 'select(select(select(x, p, x < p), q, x > q), x, is_nan(x))',
    derivative: 'select(0.0, 1.0, !is_nan(x) && x >= p && x <= q)',
    masks: true,
    options: { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY },
  },
} as const satisfies Record<string, UnaryRow>;

export const binaryTable = {
  /** a + b */
  add: {
    forward: 'a + b',
    derivatives: ['1.0', '1.0'],
  },
  /** a - b */
  sub: {
    forward: 'a - b',
    derivatives: ['1.0', '-1.0'],
  },
  /** a b */
  mul: {
    forward: 'a * b',
    derivatives: ['b', 'a'],
  },
  /** a / b */
  div: {
    forward: 'a / b',
    derivatives: ['1.0 / b', '-y / b'],
  },
  /** a^b; NaN where a < 0 and b is not whole. The gradient of b is NaN where a < 0, as in PyTorch */
  pow: {
    forward: 'power(a, b)',
    derivatives: [
      'select(b * power(a, b - 1.0), 0.0, is_zero(b))',
      'select(y * exact_log(a), 0.0, is_zero(a) && (is_zero(b) || is_positive(b)))',
    ],
  },
  /** The larger of a and b; equal ones share the gradient, and where one is NaN both get all of it, as in PyTorch */
  maximum: {
    forward: 'select(a + b, select(b, a, a > b), are_numbers(a, b))',
    derivatives: [
      'select(1.0, select(select(1.0, 0.0, a < b), 0.5, a == b), are_numbers(a, b))',
      'select(1.0, select(select(1.0, 0.0, b < a), 0.5, a == b), are_numbers(a, b))',
    ],
    masks: true,
  },
  /** The smaller of a and b; equal ones share the gradient, and where one is NaN both get all of it, as in PyTorch */
  minimum: {
    forward: 'select(a + b, select(b, a, a < b), are_numbers(a, b))',
    derivatives: [
      'select(1.0, select(select(1.0, 0.0, a > b), 0.5, a == b), are_numbers(a, b))',
      'select(1.0, select(select(1.0, 0.0, b > a), 0.5, a == b), are_numbers(a, b))',
    ],
    masks: true,
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
}

/** Comparisons and logic: 1 where it holds, else 0, as f32. They have no gradient. */
export const comparisonTable = {
  equal: { forward: 'are_numbers(a, b) && a == b', integers: 'a == b' },
  notEqual: { forward: '!are_numbers(a, b) || a != b', integers: 'a != b' },
  less: { forward: 'are_numbers(a, b) && a < b', integers: 'a < b' },
  lessEqual: { forward: 'are_numbers(a, b) && a <= b', integers: 'a <= b' },
  greater: { forward: 'are_numbers(a, b) && a > b', integers: 'a > b' },
  greaterEqual: { forward: 'are_numbers(a, b) && a >= b', integers: 'a >= b' },
  logicalAnd: { forward: '!is_zero(a) && !is_zero(b)', integers: 'a != 0 && b != 0' },
  logicalOr: { forward: '!is_zero(a) || !is_zero(b)', integers: 'a != 0 || b != 0' },
} as const satisfies Record<string, ComparisonRow>;

export type ComparisonName = keyof typeof comparisonTable;

/** The same of one input; without `integers` it is of f32 only. */
export const predicateTable = {
  logicalNot: { forward: 'is_zero(x)', integers: 'x == 0' },
  isNan: { forward: 'is_nan(x)' },
} as const;

export type PredicateName = keyof typeof predicateTable;
