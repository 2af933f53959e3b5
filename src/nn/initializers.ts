import type { Shape } from '../kernels/array.ts';
import type { RandomStream } from '../random.ts';

/** Fills a new weight; `random` is a stream of its own for each weight. */
export type Initializer = (shape: Shape, random: RandomStream) => Float32Array<ArrayBuffer>;

const count = (shape: Shape) => shape.reduce((product, n) => product * n, 1);

/** Connections into and out of one unit, as Keras counts them: [in, out] for dense, [..., in, out] times the window for filters. */
function fans(shape: Shape): [fanIn: number, fanOut: number] {
  const window = count(shape.slice(0, -2));
  return [window * (shape.at(-2) ?? 1), window * (shape.at(-1) ?? 1)];
}

/** Zeros, Keras's default for biases. */
export const zeros: Initializer = (shape) => new Float32Array(count(shape));

/** Uniform in +-sqrt(6 / (fan in + fan out)), Keras's default for kernels (Glorot and Bengio 2010, eq. 16). */
export const glorotUniform: Initializer = (shape, random) => {
  const [fanIn, fanOut] = fans(shape);
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return Float32Array.from({ length: count(shape) }, () => (2 * random.uniform() - 1) * limit);
};
