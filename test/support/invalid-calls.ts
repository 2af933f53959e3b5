import { expect } from 'vitest';
import { type Device, scope, type Tensor, type TilegradError, tensor } from '../../src/node.ts';

export type Make = (shape: number[], options?: { dtype?: 'f32' | 'u32' | 'i32'; models?: number }) => Tensor;

/** An ill-fitting call: which error it is to throw, and what the message must say (the operator and every shape involved). */
export type InvalidCall = [
  what: string,
  call: (t: Make) => unknown,
  error: new (...args: never[]) => TilegradError,
  says: string[],
];

/** Expects that the call is refused with that error, on tensors full of ones. */
export function expectRefused(device: Device, [what, call, error, says]: InvalidCall): void {
  const make: Make = (shape, { dtype, models = 1 } = {}) => {
    const size = models * shape.reduce((product, n) => product * n, 1);
    return tensor(device, new Array(size).fill(1), shape, { dtype, models });
  };
  let thrown: unknown;
  try {
    scope(device, () => void call(make));
  } catch (caught) {
    thrown = caught;
  }
  expect(thrown, what).toBeInstanceOf(error);
  for (const part of says) expect((thrown as Error).message).toContain(part);
}
