/** A row-major float64 array with a shape, for the references. `[]` is the shape of a scalar. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** An array of this shape with a copy of `values`; zeros by default. */
export function ndarray(shape: readonly number[], values?: ArrayLike<number>): NdArray {
  const size = sizeOf(shape);
  if (values && values.length !== size) {
    throw new RangeError(`ndarray: shape [${shape}] holds ${size} values, ${values.length} were given`);
  }
  return { shape: [...shape], data: values ? Float64Array.from(values) : new Float64Array(size) };
}

export function zerosLike(a: NdArray): NdArray {
  return ndarray(a.shape);
}

export function map(a: NdArray, f: (value: number, index: number) => number): NdArray {
  return { shape: a.shape, data: a.data.map(f) };
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
