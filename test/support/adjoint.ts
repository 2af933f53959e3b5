import type { Device } from '../../src/node.ts';
import type { OperatorName } from '../reference/index.ts';
import { dot, map, type NdArray, ndarray, sizeOf } from '../reference/ndarray.ts';
import { runForward, runOperator } from './adapter.ts';
import { drawInputs, type OperatorCase } from './operator-cases.ts';
import { random } from './random.ts';

// <u, J v> = <J^T u, v> with both sides from the adapter and without a reference: J^T u is the backward pass, J v a central difference
// of the forward pass, computed on the host in float64.

/** How J v is computed, and how well both sides must agree. */
export interface AdjointCheck {
  /** Numbers for which x and x + h v are exact in f32. */
  inputs(c: OperatorCase): NdArray[];
  /** An element of v. */
  direction(values: ReturnType<typeof random>): number;
  h: number;
  /** [a, w]: J v is the sum of w f(x + a h v) / h. */
  stencil: readonly (readonly [at: number, weight: number])[];
  /** Whether to leave out (by u = 0) the elements of the output that have a kink between the points: see `bent`. */
  skipKinks?: boolean;
  /** How large `disagreement` may be. */
  tolerance: number;
  /** Inputs without a gradient beside labels, indices and conditions. */
  constant?: readonly number[];
}

const integers = (c: OperatorCase) => drawInputs(c, 'integer');
const roundInputs = (step: number, inputs: NdArray[]) =>
  inputs.map((input) => map(input, (value) => Math.round(value / step) * step));

const SECOND_ORDER = [
  [1, 1 / 2],
  [-1, -1 / 2],
] as const;
const FOURTH_ORDER = [
  [1, 8 / 12],
  [-1, -8 / 12],
  [2, -1 / 12],
  [-2, 1 / 12],
] as const;

/** For polynomials up to the second degree in each input: the difference is J v itself, on small integers to the bit. */
export const exact: AdjointCheck = {
  inputs: integers,
  direction: (values) => values.integer(-4, 4),
  h: 1,
  stencil: SECOND_ORDER,
  tolerance: 0,
};

/** The same with factors that are no binary fractions: no truncation, but about 30 roundings; on lavapipe 5e-7 at most. */
export const polynomial: AdjointCheck = { ...exact, tolerance: 2e-6 };

/** For straight pieces: exact where no kink lies between the points. */
export const pieces: AdjointCheck = {
  ...exact,
  inputs: (c) => roundInputs(1 / 64, drawInputs(c)),
  h: 2 ** -10,
  skipKinks: true,
};

/** The same for step functions: only a gradient of 0 agrees. */
export const flat: AdjointCheck = { ...pieces };

/** The same for sums of products: products of integers fit into f32's 24 bits, those of fractions would not. */
export const piecesOfProducts: AdjointCheck = { ...pieces, inputs: integers };

/**
 * For curves. All is drawn 0.4 from 0 or farther, where some have kinks and poles, and not far out, where some are flat.
 * What the stencil leaves out is (h v)^4 f^(5) / 30, at most 2e-5 of f' (for pow, 0.5 to the -2.4); what it makes of f's
 * rounding is 1.5 |f| 2^-24 / h, so 6e-6 of |f| for each unit in the last place. Over 200 cases an operator the largest
 * disagreement on lavapipe is 2e-5, where few elements share it. The rest is room for another adapter's exp.
 */
export const curve: AdjointCheck = {
  inputs: (c) =>
    roundInputs(
      2 ** -12,
      drawInputs(c).map((x, k) =>
        c.inputs[k]!.classes ? x : map(x, (value) => Math.sign(value) * (Math.min(Math.abs(value), 2.5) + 0.4)),
      ),
    ),
  // Never near 0, so that no small case is all rounding.
  direction: (values) => ((values.integer(0, 1) ? 1 : -1) * values.integer(32, 64)) / 64,
  h: 1 / 64,
  stencil: FOURTH_ORDER,
  tolerance: 1e-4,
};

/** Both sides of the identity for one input of one case. */
export interface Measured {
  u: ArrayLike<number>;
  jv: ArrayLike<number>;
  v: ArrayLike<number>;
  /** J^T u. */
  grad: ArrayLike<number>;
  /**
   * The sum of |u| (|J v| + |f| + 0.01): rounding errors of a difference grow with what was subtracted; where all is 0 (one
   * class), another adapter's exp and log may leave a trace.
   */
  scale: number;
  /** Elements of the output left out for a kink. */
  skipped: number;
}

/** An output's element is bent where its value in the middle is not the mean of those at both sides. */
const bent = (ahead: number, middle: number, behind: number) => ahead - middle !== middle - behind;

/** Runs the operator forward along a random direction of input k, and backward. @throws Error when no gradient comes back */
export async function measure(
  device: Device,
  name: OperatorName,
  c: OperatorCase,
  check: AdjointCheck,
  k: number,
): Promise<Measured> {
  const values = random(c.seed ^ 0xad501);
  const inputs = check.inputs(c).map((input, i) => ({
    ...input,
    dtype: c.inputs[i]!.classes ? ('u32' as const) : ('f32' as const),
  }));
  const { shape } = inputs[k]!;
  const v = ndarray(
    shape,
    Array.from({ length: sizeOf(shape) }, () => check.direction(values)),
  );
  const along = (a: number) => {
    const moved = map(inputs[k]!, (x, i) => x + a * check.h * v.data[i]!);
    return runForward(device, name, inputs.with(k, { ...inputs[k]!, ...moved }), c.attrs);
  };
  const points: ArrayLike<number>[] = [];
  for (const [step] of check.stencil) points.push(await along(step));
  const [ahead, behind] = points as [ArrayLike<number>, ArrayLike<number>];
  const middle = check.skipKinks ? await along(0) : null;

  const size = ahead.length;
  const jv = new Float64Array(size);
  const u = new Float64Array(size);
  let scale = 0;
  let skipped = 0;
  for (let i = 0; i < size; i++) {
    check.stencil.forEach(([, weight], p) => {
      jv[i] = jv[i]! + (weight * points[p]![i]!) / check.h;
    });
    // The sign of J v, so that nothing cancels in <u, J v>: a gradient that is 1% too large must not hide in the noise.
    const sign = Math.sign(jv[i]!) || (values.integer(0, 1) ? 1 : -1);
    u[i] = sign * values.integer(1, 4);
    if (middle && bent(ahead[i]!, middle[i]!, behind[i]!)) {
      u[i] = 0;
      skipped++;
    }
    scale += Math.abs(u[i]!) * (Math.abs(jv[i]!) + Math.abs(ahead[i]!) + 0.01);
  }
  const { grads } = await runOperator(device, name, inputs, c.attrs, u);
  const grad = grads[k];
  if (!grad) throw new Error(`${name}: input ${k} has no gradient`);
  return { u, jv, v: v.data, grad, scale, skipped };
}

/** Difference of <u, J v> and <J^T u, v>, relative to `scale`; NaN if one of them is. */
export function disagreement({ u, jv, v, grad, scale }: Measured): number {
  const difference = Math.abs(dot(u, jv) - dot(grad, v));
  return difference === 0 ? 0 : difference / scale;
}
