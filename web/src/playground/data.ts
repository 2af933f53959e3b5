import { RandomStream } from '../../../src/base/random.ts';

/** The plane reaches from -HALF_WIDTH to HALF_WIDTH in x and in y. */
export const HALF_WIDTH = 2;
/** Points of a drawn data set, training and test together; half of them in each class. */
export const SAMPLES = 400;

export const DATA_SETS = ['circles', 'xor', 'spirals', 'moons', 'gaussians', 'own'] as const;
export type DataSet = (typeof DATA_SETS)[number];

/** Points of the plane with their classes, 0 and 1. */
export interface Points {
  /** x and y of each point: [n, 2]. */
  positions: Float32Array<ArrayBuffer>;
  /** Class of each point: [n]. */
  labels: Uint32Array<ArrayBuffer>;
}

export interface DataOptions {
  data: DataSet;
  /** Standard deviation of the noise added to x and y, in hundredths of a unit of the plane. */
  noise: number;
  /** Share of the points to train on, in percent. */
  share: number;
  dataSeed: number;
}

type Position = [x: number, y: number];
const TURN = 2 * Math.PI;
const polar = (radius: number, angle: number): Position => [radius * Math.cos(angle), radius * Math.sin(angle)];

/** Two independent standard normals (Box and Muller 1958). */
const normals = (random: RandomStream): Position =>
  polar(Math.sqrt(-2 * Math.log(1 - random.uniform())), TURN * random.uniform());

/** Uniform in area between two circles around the origin. */
const inRing = (random: RandomStream, inner: number, outer: number) =>
  polar(Math.sqrt(inner ** 2 + (outer ** 2 - inner ** 2) * random.uniform()), TURN * random.uniform());

/** Draws the position of a point of a class, before noise. The tests in test/web/playground-data.test.ts have the definitions. */
const DRAW: Record<Exclude<DataSet, 'own'>, (random: RandomStream, label: number) => Position> = {
  circles: (random, label) => (label === 1 ? inRing(random, 0, 0.8) : inRing(random, 1.2, 1.8)),
  xor: (random, label) => {
    const [x, y] = [0.1 + 1.7 * random.uniform(), 0.1 + 1.7 * random.uniform()];
    const sign = random.uniform() < 0.5 ? -1 : 1;
    return [sign * x, label === 1 ? -sign * y : sign * y];
  },
  spirals: (random, label) => {
    const t = 1 - random.uniform();
    return polar(1.8 * t, TURN * 1.6 * t + label * Math.PI);
  },
  moons: (random, label) => {
    const sign = label === 0 ? 1 : -1;
    const [x, y] = polar(1.1, (TURN / 2) * random.uniform());
    return [sign * (x - 0.55), sign * (y - 0.275)];
  },
  gaussians: (random, label) => {
    const center = label === 0 ? -0.9 : 0.9;
    const [x, y] = normals(random);
    return [center + 0.4 * x, center + 0.4 * y];
  },
};

const clamp = (value: number) => Math.min(HALF_WIDTH, Math.max(-HALF_WIDTH, value));

/**
 * Draws a data set and splits it. Positions, noise and split have separate random streams, so a change of noise or share has no other
 * effect on the points. Points that noise moves out of the plane are clamped to its edge.
 */
export function drawData({ data, noise, share, dataSeed }: DataOptions): { training: Points; test: Points } {
  if (data === 'own') return { training: pointsOf([]), test: pointsOf([]) };
  const [places, moves, order] = [0, 1, 2].map((stream) => new RandomStream(dataSeed, 'split', stream));
  const points = Array.from({ length: SAMPLES }, (_, i) => {
    const label = i % 2;
    const [x, y] = DRAW[data](places!, label);
    const [dx, dy] = normals(moves!);
    return { x: clamp(x + (noise / 100) * dx), y: clamp(y + (noise / 100) * dy), label };
  });
  const shuffled = Array.from(order!.permutation(SAMPLES), (i) => points[i]!);
  const count = Math.round((SAMPLES * share) / 100);
  return { training: pointsOf(shuffled.slice(0, count)), test: pointsOf(shuffled.slice(count)) };
}

/** A point in the form of the page and the address. */
export interface Point {
  x: number;
  y: number;
  label: number;
}

export function pointsOf(points: readonly Point[]): Points {
  return {
    positions: Float32Array.from(points.flatMap(({ x, y }) => [x, y])),
    labels: Uint32Array.from(points, ({ label }) => label),
  };
}

/** Concatenates two sets of points. */
export function joinPoints(a: Points, b: Points): Points {
  const positions = new Float32Array(a.positions.length + b.positions.length);
  positions.set(a.positions);
  positions.set(b.positions, a.positions.length);
  return { positions, labels: Uint32Array.of(...a.labels, ...b.labels) };
}
