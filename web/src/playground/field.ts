import { HALF_WIDTH } from './data.ts';

/**
 * Nodes of a square grid over the whole plane, including its edges, row by row from the top left: [size * size, 2]. Node (column, row) is at
 * x = -HALF_WIDTH + 2 HALF_WIDTH column / (size - 1), and y decreases with the row.
 */
export function gridPositions(size: number): Float32Array<ArrayBuffer> {
  const at = (i: number) => HALF_WIDTH * ((2 * i) / (size - 1) - 1);
  return Float32Array.from({ length: 2 * size * size }, (_, k) => {
    const node = k >> 1;
    return at(k % 2 === 0 ? node % size : size - 1 - Math.floor(node / size));
  });
}

/**
 * The line where the values on the nodes of a grid are 0: segments [x1, y1, x2, y2, ...] by marching squares, with linear interpolation
 * along the edges. At a saddle, the sign of the mean of the four corners decides which corners are connected. Cells with a value that is not
 * finite have no line.
 */
export function zeroLine(values: ArrayLike<number>, size: number): Float32Array<ArrayBuffer> {
  const segments: number[] = [];
  const step = (2 * HALF_WIDTH) / (size - 1);
  for (let row = 0; row + 1 < size; row++) {
    for (let column = 0; column + 1 < size; column++) {
      const first = row * size + column;
      const corners = [first, first + 1, first + size + 1, first + size].map((node) => values[node]!);
      const positive = corners.filter((value) => value >= 0).length;
      if (positive === 0 || positive === 4 || !corners.every(Number.isFinite)) continue;
      const crossings = CORNERS.flatMap((from, i) => {
        const to = CORNERS[(i + 1) % 4]!;
        const [a, b] = [corners[i]!, corners[(i + 1) % 4]!];
        if (a >= 0 === b >= 0) return [];
        const t = a / (a - b);
        const x = column + from[0] + t * (to[0] - from[0]);
        const y = row + from[1] + t * (to[1] - from[1]);
        return [[-HALF_WIDTH + step * x, HALF_WIDTH - step * y]];
      });
      // Four crossings are on the top, right, bottom and left edge. Lines cut off the corners that differ in sign from the middle.
      const isMiddlePositive = corners[0]! + corners[1]! + corners[2]! + corners[3]! >= 0;
      const isFirstCut = corners[0]! >= 0 !== isMiddlePositive;
      if (crossings.length === 4 && isFirstCut) crossings.unshift(crossings.pop()!);
      segments.push(...crossings.flat());
    }
  }
  return Float32Array.from(segments);
}

/** Corners of a cell, clockwise from the top left, as [column, row]. */
const CORNERS = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
] as const;
