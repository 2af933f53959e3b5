import type { Tensor } from '../../src/autograd/index.ts';
import * as tg from '../../src/autograd/index.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { broadcastShape, places } from '../reference/pointwise.ts';
import * as reduce from '../reference/reduce.ts';
import * as shape from '../reference/shape.ts';

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own options.
type Attrs = any;

/** An operator without a gradient, and its reference. */
interface WithoutGradient {
  call(inputs: Tensor[], attrs: Attrs): Tensor;
  reference(inputs: NdArray[], attrs: Attrs): NdArray;
}

/** 1 where it holds, else 0, with broadcasting. */
function comparison(call: (a: Tensor, b: Tensor) => Tensor, holds: (a: number, b: number) => boolean): WithoutGradient {
  return {
    call: ([a, b]) => call(a!, b!),
    reference([a, b]) {
      const shape = broadcastShape(a!.shape, b!.shape);
      const [left, right] = [places(shape, a!.shape), places(shape, b!.shape)];
      return ndarray(
        shape,
        left.map((i, k) => Number(holds(a!.data[i]!, b!.data[right[k]!]!))),
      );
    },
  };
}

/** Operators without gradient, in addition to the differentiable ones in `operators`. */
export const withoutGradient = {
  argmax: {
    call: ([x], attrs) => tg.argmax(x!, attrs),
    reference: ([x], attrs) => reduce.argmax(x!, attrs),
  },
  argmin: {
    call: ([x], attrs) => tg.argmin(x!, attrs),
    reference: ([x], attrs) => reduce.argmin(x!, attrs),
  },
  oneHot: {
    call: ([labels], attrs) => tg.oneHot(labels!, attrs.classes),
    reference: ([labels], attrs) => shape.oneHot(labels!, attrs),
  },
  cast: {
    // f32 to whole numbers and back: the fraction is gone.
    call: ([x]) => tg.cast(tg.cast(x!, 'i32'), 'f32'),
    reference: ([x]) => map(x!, (value) => (Number.isNaN(value) ? 0 : Math.trunc(value))),
  },
  equal: comparison(tg.equal, (a, b) => a === b),
  notEqual: comparison(tg.notEqual, (a, b) => a !== b),
  less: comparison(tg.less, (a, b) => a < b),
  lessEqual: comparison(tg.lessEqual, (a, b) => a <= b),
  greater: comparison(tg.greater, (a, b) => a > b),
  greaterEqual: comparison(tg.greaterEqual, (a, b) => a >= b),
  logicalAnd: comparison(tg.logicalAnd, (a, b) => a !== 0 && b !== 0),
  logicalOr: comparison(tg.logicalOr, (a, b) => a !== 0 || b !== 0),
  logicalNot: {
    call: ([x]) => tg.logicalNot(x!),
    reference: ([x]) => map(x!, (value) => Number(value === 0)),
  },
  isNan: {
    call: ([x]) => tg.isNan(x!),
    reference: ([x]) => map(x!, (value) => Number(Number.isNaN(value))),
  },
} satisfies Record<string, WithoutGradient>;
