import { random } from '../support/random.ts';
import { dot, type NdArray } from './ndarray.ts';
import type { Reference } from './reference.ts';

const EPSILON = 1e-6;
const RTOL = 1e-3;
const ATOL = 1e-6;

/**
 * Checks `backward` against central differences of `forward`, as PyTorch's gradcheck does: with a random dout, every
 * element of every gradient, and then each input moved along one random direction.
 *
 *     <dinput, u>  =  <dout, (f(x + eps u) - f(x - eps u)) / (2 eps)>
 *
 * @returns a description of each disagreement; empty if there is none. Inputs must be further than eps from kinks.
 */
export function gradcheck<Attrs extends object>(
  reference: Reference<readonly NdArray[], Attrs>,
  inputs: readonly NdArray[],
  attrs: Attrs,
  seed = 1,
): string[] {
  const values = random(seed);
  const output = reference.forward(inputs, attrs);
  const dout: NdArray = { shape: output.shape, data: output.data.map(() => values.normal()) };
  const grads = reference.backward(inputs, output, dout, attrs);
  const problems: string[] = [];
  if (grads.length !== inputs.length) problems.push(`${inputs.length} inputs but ${grads.length} gradients`);

  inputs.forEach((input, k) => {
    const grad = grads[k];
    if (!grad) return;
    if (`${grad.shape}` !== `${input.shape}`) {
      problems.push(`gradient ${k} has shape [${grad.shape}], its input [${input.shape}]`);
      return;
    }
    const evaluate = (direction: Float64Array, step: number): Float64Array => {
      const moved = { shape: input.shape, data: input.data.map((value, i) => value + step * direction[i]!) };
      return reference.forward(inputs.with(k, moved), attrs).data;
    };
    const slope = (direction: Float64Array): number => {
      const ahead = evaluate(direction, EPSILON);
      const behind = evaluate(direction, -EPSILON);
      return dot(
        dout.data,
        ahead.map((value, i) => (value - behind[i]!) / (2 * EPSILON)),
      );
    };
    const compare = (what: string, analytic: number, numeric: number): void => {
      // Negated, so that NaN fails.
      if (Math.abs(analytic - numeric) <= ATOL + RTOL * Math.abs(numeric)) return;
      problems.push(`gradient ${k}, ${what}: backward gives ${analytic}, central differences ${numeric}`);
    };

    const direction = new Float64Array(input.data.length);
    for (let i = 0; i < direction.length; i++) {
      direction[i] = 1;
      compare(`element ${i}`, grad.data[i]!, slope(direction));
      direction[i] = 0;
    }
    direction.forEach((_, i) => {
      direction[i] = values.normal();
    });
    compare('random direction', dot(grad.data, direction), slope(direction));
  });
  return problems;
}
