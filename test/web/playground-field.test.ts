import { expect, test } from 'vitest';
import { HALF_WIDTH } from '../../web/src/playground/data.ts';
import { gridPositions, zeroLine } from '../../web/src/playground/field.ts';

/** Values of a function on the nodes of a grid. */
function sample(size: number, f: (x: number, y: number) => number): Float64Array {
  const nodes = gridPositions(size);
  return Float64Array.from({ length: size * size }, (_, i) => f(nodes[2 * i]!, nodes[2 * i + 1]!));
}
const segmentsOf = (line: Float32Array) =>
  Array.from({ length: line.length / 4 }, (_, i) => [...line.subarray(4 * i, 4 * i + 4)]);

test('the nodes cover the plane and its edges, row by row from the top left', () => {
  expect([...gridPositions(3)]).toEqual([-2, 2, 0, 2, 2, 2, -2, 0, 0, 0, 2, 0, -2, -2, 0, -2, 2, -2]);
});

test('a plane is cut exactly along its line', () => {
  const segments = segmentsOf(
    zeroLine(
      sample(9, (x, y) => x + 2 * y - 0.3),
      9,
    ),
  );
  for (const [x1, y1, x2, y2] of segments) {
    expect(x1! + 2 * y1!).toBeCloseTo(0.3, 5);
    expect(x2! + 2 * y2!).toBeCloseTo(0.3, 5);
  }
  const xs = segments.flatMap(([x1, , x2]) => [x1!, x2!]);
  expect(Math.min(...xs)).toBe(-HALF_WIDTH);
  expect(Math.max(...xs)).toBe(HALF_WIDTH);
});

test('a circle is one closed line of its length', () => {
  const segments = segmentsOf(
    zeroLine(
      sample(65, (x, y) => Math.hypot(x, y) - 1.3),
      65,
    ),
  );
  const ends = new Map<string, number>();
  let length = 0;
  for (const [x1, y1, x2, y2] of segments) {
    length += Math.hypot(x2! - x1!, y2! - y1!);
    for (const end of [`${x1!.toFixed(5)} ${y1!.toFixed(5)}`, `${x2!.toFixed(5)} ${y2!.toFixed(5)}`])
      ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  expect(Math.abs(length / (2 * Math.PI * 1.3) - 1)).toBeLessThan(0.001);
  expect([...ends.values()].every((count) => count === 2)).toBe(true);
});

test('at a saddle, the mean of the corners decides how lines connect', () => {
  // Corners clockwise from the top left. The plane's corners are at +-2, crossings in the middle of the edges or beside it.
  const cell = (corners: [number, number, number, number]) =>
    segmentsOf(zeroLine([corners[0], corners[1], corners[3], corners[2]], 2)).map((segment) =>
      segment.map((v) => Math.round(10 * v) / 10),
    );
  // Positive middle: the negative corners, top right and bottom left, are cut off.
  expect(cell([3, -1, 3, -1])).toEqual([
    [1, 2, 2, 1],
    [-1, -2, -2, -1],
  ]);
  // Negative middle: the positive corners, top left and bottom right, are cut off.
  expect(cell([1, -3, 1, -3])).toEqual([
    [-2, 1, -1, 2],
    [2, -1, 1, -2],
  ]);
});

test('no line if the sign never changes, or a value is NaN', () => {
  expect(zeroLine([1, 2, 3, 4], 2)).toHaveLength(0);
  expect(zeroLine([Number.NaN, -2, 3, 4], 2)).toHaveLength(0);
});
