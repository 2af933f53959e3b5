import type { Tensor } from '../../src/autograd/index.ts';
import * as tg from '../../src/autograd/index.ts';
import type { NdArray } from '../reference/ndarray.ts';
import * as reduce from '../reference/reduce.ts';
import * as shape from '../reference/shape.ts';

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own options.
type Attrs = any;

/** An operator that has no gradient, and what it is compared with. */
interface WithoutGradient {
  call(inputs: Tensor[], attrs: Attrs): Tensor;
  reference(inputs: NdArray[], attrs: Attrs): NdArray;
}

/** Operators whose results are no smooth functions of their inputs, beside the differentiable ones in `operators`. */
export const withoutGradient = {
  argmax: {
    call: ([x], attrs) => tg.argmax(x!, attrs),
    reference: ([x], attrs) => reduce.argmax(x!, attrs),
  },
  oneHot: {
    call: ([labels], attrs) => tg.oneHot(labels!, attrs.classes),
    reference: ([labels], attrs) => shape.oneHot(labels!, attrs),
  },
} satisfies Record<string, WithoutGradient>;
