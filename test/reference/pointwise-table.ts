import type {
  BinaryName,
  ComparisonName,
  PredicateName,
  UnaryName,
} from '../../src/kernels/pointwise/pointwise-table.ts';
import { cdf, density } from '../../src/kernels/random/normal.ts';

// References in float64 for the rows of src/kernels/pointwise/pointwise-table.ts. A row without a reference does not compile.

export interface UnaryReference {
  /** `p` and `q` are the row's options, in order. */
  forward(x: number, p: number, q: number): number;
  derivative(x: number, y: number, p: number, q: number): number;
  /** Maps a normal draw to an input at which the function is smooth and finite. Default: the identity. */
  domain?(x: number): number;
}

export interface BinaryReference {
  forward(a: number, b: number): number;
  derivatives(a: number, b: number, y: number): [number, number];
  /** For each operand, maps a normal draw to an input at which the function is smooth and finite. */
  domain?: readonly [(a: number) => number, (b: number) => number];
}

const positive = (x: number) => Math.abs(x) + 0.1;
/** Away from 0, where some functions have a kink or a pole. */
const awayFromZero = (x: number) => (x < 0 ? x - 0.1 : x + 0.1);
/** Operands that are never almost equal. */
const distinctOperands = [(a: number) => Math.round(4 * a) / 4, (b: number) => Math.round(4 * b) / 4 + 0.125] as const;
const logistic = (x: number) => 1 / (1 + Math.exp(-x));
/** Symmetric in x, unlike y (1 - y), which is 0 if y rounds to 1. */
const logisticSlope = (x: number) => Math.exp(-Math.abs(x)) / (1 + Math.exp(-Math.abs(x))) ** 2;
const geluInner = (x: number) => Math.sqrt(8 / Math.PI) * (x + 0.044715 * x ** 3);

export const unaryReferences = {
  neg: {
    forward: (x) => -x,
    derivative: () => -1,
  },
  exp: {
    forward: Math.exp,
    derivative: (_, y) => y,
  },
  log: {
    forward: Math.log,
    derivative: (x) => 1 / x,
    domain: positive,
  },
  sqrt: {
    forward: Math.sqrt,
    derivative: (_, y) => 0.5 / y,
    domain: positive,
  },
  rsqrt: {
    forward: (x) => 1 / Math.sqrt(x),
    derivative: (_, y) => -0.5 * y ** 3,
    domain: positive,
  },
  square: {
    forward: (x) => x * x,
    derivative: (x) => 2 * x,
  },
  reciprocal: {
    forward: (x) => 1 / x,
    derivative: (_, y) => -y * y,
    domain: awayFromZero,
  },
  abs: {
    forward: Math.abs,
    derivative: (x) => (x > 0 ? 1 : x < 0 ? -1 : 0),
    domain: awayFromZero,
  },
  sign: {
    forward: Math.sign,
    derivative: () => 0,
    domain: awayFromZero,
  },
  relu: {
    forward: (x) => (x <= 0 ? 0 : x),
    derivative: (_, y) => (y <= 0 ? 0 : 1),
    domain: awayFromZero,
  },
  relu6: {
    forward: (x) => (x <= 0 ? 0 : x >= 6 ? 6 : x),
    derivative: (x) => (x <= 0 || x >= 6 ? 0 : 1),
    domain: (x) => awayFromZero(4 * x) + (Math.abs(4 * x - 5.95) < 0.2 ? 1 : 0),
  },
  leakyRelu: {
    forward: (x, p) => (x <= 0 ? p * x : x),
    derivative: (x, _, p) => (x > 0 ? 1 : p),
    domain: awayFromZero,
  },
  elu: {
    forward: (x, p) => (x <= 0 ? p * Math.expm1(x) : x),
    derivative: (x, _, p) => (x <= 0 ? p * Math.exp(x) : 1),
    domain: awayFromZero,
  },
  sigmoid: {
    forward: logistic,
    derivative: logisticSlope,
  },
  tanh: {
    forward: Math.tanh,
    derivative: (x) => Math.cosh(x) ** -2,
  },
  softplus: {
    forward: (x) => (x <= 0 ? 0 : x) + Math.log1p(Math.exp(-Math.abs(x))),
    derivative: logistic,
  },
  gelu: {
    forward: (x) => x * cdf(x),
    derivative: (x) => cdf(x) + x * density(x),
  },
  geluTanh: {
    // (1 + tanh(u / 2)) / 2 is the logistic function of u, which has no cancellation.
    forward: (x) => x * logistic(geluInner(x)),
    derivative: (x) => {
      const slope = Math.sqrt(8 / Math.PI) * (1 + 0.134145 * x * x);
      return logistic(geluInner(x)) + x * slope * logisticSlope(geluInner(x));
    },
  },
  power: {
    forward: (x, p) => x ** p,
    derivative: (x, _, p) => (p === 0 ? 0 : p * x ** (p - 1)),
    domain: awayFromZero,
  },
  clip: {
    forward: (x, p, q) => (x < p ? p : x > q ? q : x),
    derivative: (x, _, p, q) => (x >= p && x <= q ? 1 : 0),
  },
} as const satisfies Record<UnaryName, UnaryReference>;

export const binaryReferences = {
  add: {
    forward: (a, b) => a + b,
    derivatives: () => [1, 1],
  },
  sub: {
    forward: (a, b) => a - b,
    derivatives: () => [1, -1],
  },
  mul: {
    forward: (a, b) => a * b,
    derivatives: (a, b) => [b, a],
  },
  div: {
    forward: (a, b) => a / b,
    derivatives: (_, b, y) => [1 / b, -y / b],
    domain: [(a) => a, awayFromZero],
  },
  pow: {
    forward: (a, b) => a ** b,
    derivatives: (a, b, y) => [b === 0 ? 0 : b * a ** (b - 1), a === 0 && b >= 0 ? 0 : y * Math.log(a)],
    domain: [positive, (b) => b],
  },
  maximum: {
    forward: (a, b) => Math.max(a, b),
    derivatives: (a, b) => (a === b ? [0.5, 0.5] : [a < b ? 0 : 1, b < a ? 0 : 1]),
    domain: distinctOperands,
  },
  minimum: {
    forward: (a, b) => Math.min(a, b),
    derivatives: (a, b) => (a === b ? [0.5, 0.5] : [a > b ? 0 : 1, b > a ? 0 : 1]),
    domain: distinctOperands,
  },
} as const satisfies Record<BinaryName, BinaryReference>;

export const comparisonReferences = {
  equal: (a: number, b: number) => a === b,
  notEqual: (a: number, b: number) => a !== b,
  less: (a: number, b: number) => a < b,
  lessEqual: (a: number, b: number) => a <= b,
  greater: (a: number, b: number) => a > b,
  greaterEqual: (a: number, b: number) => a >= b,
  logicalAnd: (a: number, b: number) => a !== 0 && b !== 0,
  logicalOr: (a: number, b: number) => a !== 0 || b !== 0,
} as const satisfies Record<ComparisonName, (a: number, b: number) => boolean>;

export const predicateReferences = {
  logicalNot: (x: number) => x === 0,
  isNan: (x: number) => Number.isNaN(x),
} as const satisfies Record<PredicateName, (x: number) => boolean>;
