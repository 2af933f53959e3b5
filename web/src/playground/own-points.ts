import { HALF_WIDTH, type Point } from './data.ts';

/** Distance from one of the user's points within which a click removes that point instead of placing another. */
const NEAR = 0.08;

/** Clamps a coordinate to the plane and rounds it to hundredths, the precision of the address. */
export const roundCoordinate = (value: number): number =>
  Math.round(100 * Math.min(HALF_WIDTH, Math.max(-HALF_WIDTH, value))) / 100 + 0; // + 0: of -0 too

/** Adds a point, or removes the one that is already there. */
export function togglePoint(points: readonly Point[], { x, y, label }: Point): readonly Point[] {
  const there = points.findLastIndex((point) => Math.hypot(point.x - x, point.y - y) <= NEAR);
  return there >= 0
    ? points.filter((_, i) => i !== there)
    : [...points, { x: roundCoordinate(x), y: roundCoordinate(y), label }];
}
