import { map, type NdArray, ndarray, sizeOf, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface ReshapeAttrs {
  shape: readonly number[];
}

/** The same values in another shape; the gradient in the old one. */
export const reshape: Reference<[x: NdArray], ReshapeAttrs> = {
  forward([x], { shape }) {
    const rest = sizeOf(x.shape) / sizeOf(shape.filter((n) => n !== -1));
    return ndarray(
      shape.map((n) => (n === -1 ? rest : n)),
      x.data,
    );
  },
  backward: ([x], _output, dout) => [ndarray(x.shape, dout.data)],
};

function coordinates(i: number, shape: readonly number[]): number[] {
  const places: number[] = [];
  let rest = i;
  for (let d = shape.length - 1; d >= 0; d--) {
    places[d] = rest % shape[d]!;
    rest = Math.floor(rest / shape[d]!);
  }
  return places;
}

/** Flat index of a position, or -1 outside of the shape. */
function offset(places: readonly number[], shape: readonly number[]): number {
  let index = 0;
  for (const [d, n] of shape.entries()) {
    if (places[d]! < 0 || places[d]! >= n) return -1;
    index = index * n + places[d]!;
  }
  return index;
}

/** An operator whose elements are elements of x (by index) or a constant; each gradient goes to the same element. */
function moves<Attrs>(
  shapeOf: (x: NdArray, attrs: Attrs) => readonly number[],
  placeOf: (place: number[], x: NdArray, attrs: Attrs) => number[],
  constant: (attrs: Attrs) => number = () => 0,
): Reference<[x: NdArray], Attrs> {
  const source = (i: number, shape: readonly number[], x: NdArray, attrs: Attrs) =>
    offset(placeOf(coordinates(i, shape), x, attrs), x.shape);
  return {
    forward([x], attrs) {
      const y = ndarray(shapeOf(x, attrs));
      return map(y, (_, i) => x.data[source(i, y.shape, x, attrs)] ?? constant(attrs));
    },
    backward([x], output, dout, attrs) {
      const dx = zerosLike(x);
      dout.data.forEach((value, i) => {
        const sourceIndex = source(i, output.shape, x, attrs);
        if (sourceIndex >= 0) dx.data[sourceIndex]! += value;
      });
      return [dx];
    },
  };
}

/** Axis d of y is axis axes[d] of x (default: reversed order). */
export const transpose = moves<{ axes?: readonly number[] }>(
  (x, attrs) => orderOf(x, attrs).map((d) => x.shape[d]!),
  (place, x, attrs) => {
    const moved: number[] = [];
    for (const [k, d] of orderOf(x, attrs).entries()) moved[d] = place[k]!;
    return moved;
  },
);

function orderOf(x: NdArray, { axes }: { axes?: readonly number[] }): number[] {
  const rank = x.shape.length;
  return x.shape.map((_, d) => (axes ? (axes[d]! + rank) % rank : rank - 1 - d));
}

/** x surrounded by a constant. */
export const pad = moves<{ paddings: [number, number][]; value?: number }>(
  (x, { paddings }) => x.shape.map((n, d) => paddings[d]![0] + n + paddings[d]![1]),
  (place, _x, { paddings }) => place.map((p, d) => p - paddings[d]![0]),
  ({ value = 0 }) => value,
);

/** A slice of x. */
export const slice = moves<{ begin: number[]; size: number[] }>(
  (x, { begin, size }) => size.map((n, d) => (n === -1 ? x.shape[d]! - begin[d]! : n)),
  (place, _x, { begin }) => place.map((p, d) => p + begin[d]!),
);

function reshaping<Attrs>(shapeOf: (x: NdArray, attrs: Attrs) => number[]): Reference<[x: NdArray], Attrs> {
  return {
    forward: ([x], attrs) => ndarray(shapeOf(x, attrs), x.data),
    backward: ([x], _output, dout) => [ndarray(x.shape, dout.data)],
  };
}

/** Adds an axis of size 1. */
export const expandDims = reshaping<{ axis: number }>((x, { axis }) =>
  x.shape.toSpliced(axis < 0 ? axis + x.shape.length + 1 : axis, 0, 1),
);

/** Removes the given axes of size 1, by default all. */
export const squeeze = reshaping<{ axis?: number | number[] }>((x, { axis }) => {
  const named = axis === undefined ? null : [axis].flat().map((d) => (d < 0 ? d + x.shape.length : d));
  return x.shape.filter((n, d) => (named ? !named.includes(d) : n !== 1));
});

/** Concatenates arrays along an axis; the gradient of each is its slice of dout. */
export const concat: Reference<readonly NdArray[], { axis?: number }> = {
  forward(parts, { axis = 0 }) {
    const [first] = parts as [NdArray];
    const d = (axis + first.shape.length) % first.shape.length;
    const outer = sizeOf(first.shape.slice(0, d));
    const total = parts.reduce((sum, part) => sum + part.shape[d]!, 0);
    const rows = Array.from({ length: outer }, (_, o) =>
      parts.map((part) => part.data.subarray((o * part.data.length) / outer, ((o + 1) * part.data.length) / outer)),
    );
    return ndarray(
      first.shape.with(d, total),
      rows.flat().flatMap((values) => [...values]),
    );
  },
  backward(parts, output, dout, { axis = 0 }) {
    const d = (axis + output.shape.length) % output.shape.length;
    let offset = 0;
    return parts.map((part) => {
      const begin = part.shape.map((_, k) => (k === d ? offset : 0));
      offset += part.shape[d]!;
      return slice.forward([dout], { begin, size: [...part.shape] });
    });
  },
};

/** Stacks arrays along a new axis: each expanded, then concatenated. */
export const stack: Reference<readonly NdArray[], { axis?: number }> = {
  forward(parts, { axis = 0 }) {
    const wide = parts.map((part) => expandDims.forward([part], { axis }));
    return concat.forward(wide, { axis });
  },
  backward(parts, output, dout, { axis = 0 }) {
    const wide = parts.map((part) => expandDims.forward([part], { axis }));
    return concat.backward(wide, output, dout, { axis }).map((grad, i) => ndarray(parts[i]!.shape, grad!.data));
  },
};

/** y[o,j,c] = x[o,indices_j,c]; dx[o,i,c] = sum over indices_j = i of dout[o,j,c]; indices have no gradient. */
export const gather: Reference<[x: NdArray, indices: NdArray], { axis?: number }> = {
  forward([x, indices], { axis = 0 }) {
    const { d, inner, shape } = gathering(x, indices, axis);
    return map(ndarray(shape), (_, i) => x.data[gatherSource(i, x.shape[d]!, inner, indices)]!);
  },
  backward([x, indices], _output, dout, { axis = 0 }) {
    const { d, inner } = gathering(x, indices, axis);
    const dx = zerosLike(x);
    dout.data.forEach((value, i) => {
      dx.data[gatherSource(i, x.shape[d]!, inner, indices)]! += value;
    });
    return [dx, null];
  },
};

function gathering(x: NdArray, indices: NdArray, axis: number) {
  const d = (axis + x.shape.length) % x.shape.length;
  const after = x.shape.slice(d + 1);
  return { d, inner: sizeOf(after), shape: [...x.shape.slice(0, d), ...indices.shape, ...after] };
}

function gatherSource(i: number, rows: number, inner: number, indices: NdArray): number {
  const count = indices.data.length;
  const line = Math.floor(i / inner);
  return (Math.floor(line / count) * rows + indices.data[line % count]!) * inner + (i % inner);
}

/** 1 at the label, 0 elsewhere; NaN for a label outside the classes. */
export function oneHot(labels: NdArray, { classes }: { classes: number }): NdArray {
  return map(ndarray([...labels.shape, classes]), (_, i) => {
    const label = labels.data[Math.floor(i / classes)]!;
    if (label < 0 || label >= classes) return Number.NaN;
    return label === i % classes ? 1 : 0;
  });
}
