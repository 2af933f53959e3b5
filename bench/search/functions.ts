import type { HyperParameters } from '../../src/search/hyperparameters.ts';
import type { HyperparameterValues } from '../../src/search/record.ts';

/** A function with a known minimum, as a search sees it. */
export interface TestFunction {
  name: string;
  /** Asks for its hyperparameters. */
  ask(hp: HyperParameters): void;
  value(values: HyperparameterValues): number;
  minimum: number;
}

const TAU = 2 * Math.PI;

/** Returns a function that asks for x0, x1, ... in the same range. */
const askForCube = (dimensions: number, min: number, max: number) => (hp: HyperParameters) => {
  for (let i = 0; i < dimensions; i++) hp.float(`x${i}`, { min, max });
};
const pointOf = (values: HyperparameterValues, dimensions: number): number[] =>
  Array.from({ length: dimensions }, (_, i) => values[`x${i}`] as number);

/** Branin and Hoo's function of two variables; minimum 10 / (8 pi) = 0.397887 at three points, such as (pi, 2.275). */
const branin: TestFunction = {
  name: 'Branin',
  ask(hp) {
    hp.float('x0', { min: -5, max: 10 });
    hp.float('x1', { min: 0, max: 15 });
  },
  value(values) {
    const [x, y] = pointOf(values, 2) as [number, number];
    const hill = y - (5.1 / (4 * Math.PI ** 2)) * x ** 2 + (5 / Math.PI) * x - 6;
    return hill ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;
  },
  minimum: 10 / (8 * Math.PI),
};

const HARTMANN = {
  alpha: [1, 1.2, 3, 3.2],
  a: [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
  ],
  p: [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
  ],
};

/** Hartmann's function of six variables; minimum -3.32237 at (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573). */
const hartmann6: TestFunction = {
  name: 'Hartmann 6-d',
  ask: askForCube(6, 0, 1),
  value(values) {
    const x = pointOf(values, 6);
    const { alpha, a, p } = HARTMANN;
    const exponent = (i: number) => x.reduce((sum, xj, j) => sum + a[i]![j]! * (xj - p[i]![j]!) ** 2, 0);
    return -alpha.reduce((sum, weight, i) => sum + weight * Math.exp(-exponent(i)), 0);
  },
  minimum: -3.32236801,
};

/** Rosenbrock's valley of four variables; minimum 0 at (1, 1, 1, 1). */
const rosenbrock4: TestFunction = {
  name: 'Rosenbrock 4-d',
  ask: askForCube(4, -2, 2),
  value(values) {
    const x = pointOf(values, 4);
    return [0, 1, 2].reduce((sum, i) => sum + 100 * (x[i + 1]! - x[i]! ** 2) ** 2 + (1 - x[i]!) ** 2, 0);
  },
  minimum: 0,
};

/** Ackley's function of five variables, with many local minima; global minimum 0 at the origin. */
const ackley5: TestFunction = {
  name: 'Ackley 5-d',
  ask: askForCube(5, -16, 32), // not symmetric: the minimum is not in the middle of the range
  value(values) {
    const x = pointOf(values, 5);
    const root = Math.sqrt(x.reduce((sum, xi) => sum + xi * xi, 0) / 5);
    const waves = x.reduce((sum, xi) => sum + Math.cos(TAU * xi), 0) / 5;
    return -20 * Math.exp(-0.2 * root) - Math.exp(waves) + 20 + Math.E;
  },
  minimum: 0,
};

/**
 * Similar to a search over models: a choice with conditional hyperparameters, a rate on a log scale, integers, a step and a
 * boolean. Minimum 0: an mlp of 3 layers with units 96, 64 and 32, rate 0.003, dropout 0.2, normalized.
 */
const mixed: TestFunction = {
  name: 'mixed and conditional',
  ask(hp) {
    const kind = hp.choice('kind', ['linear', 'mlp', 'cnn']);
    hp.float('rate', { min: 1e-5, max: 1, sampling: 'log' });
    hp.boolean('normalized');
    if (kind === 'mlp') {
      const layers = hp.int('layers', { min: 1, max: 4 });
      for (let i = 0; i < layers; i++) hp.int(`units${i}`, { min: 16, max: 128, step: 16 });
    }
    hp.conditionalScope('kind', ['cnn'], () => hp.choice('kernel', [3, 5, 7]));
    hp.conditionalScope('kind', ['mlp', 'cnn'], () => hp.float('dropout', { min: 0, max: 0.6, step: 0.1 }));
  },
  value(values) {
    const number = (name: string) => values[name] as number;
    const shared = Math.log10(number('rate') / 0.003) ** 2 + (values.normalized ? 0 : 0.5);
    if (values.kind === 'linear') return shared + 3;
    const dropout = 10 * (number('dropout') - 0.2) ** 2;
    if (values.kind === 'cnn') return shared + dropout + 1 + number('kernel') / 10;
    const units = [96, 64, 32].slice(0, number('layers'));
    const misfit = units.reduce((sum, best, i) => sum + ((number(`units${i}`) - best) / 64) ** 2, 0);
    return shared + dropout + misfit + Math.abs(number('layers') - 3);
  },
  minimum: 0,
};

export const TEST_FUNCTIONS: readonly TestFunction[] = [branin, hartmann6, rosenbrock4, ackley5, mixed];
