import { expect, test } from 'vitest';
import { DATA_SETS, drawData, HALF_WIDTH, type Points, SAMPLES } from '../../web/src/playground/data.ts';
import { roundCoordinate, togglePoint } from '../../web/src/playground/own-points.ts';

const draw = (name: (typeof DATA_SETS)[number], changes: Partial<Parameters<typeof drawData>[0]> = {}) =>
  drawData({ data: name, noise: 0, share: 50, dataSeed: 1, ...changes });

/** Every point of both parts: coordinates, distance from the origin, angle and class. */
const all = ({ training, test }: { training: Points; test: Points }) =>
  [training, test].flatMap(({ positions, labels }) =>
    Array.from(labels, (label, i) => {
      const [x, y] = [positions[2 * i]!, positions[2 * i + 1]!];
      return { x, y, label, radius: Math.hypot(x, y), angle: Math.atan2(y, x) };
    }),
  );
const drawn = DATA_SETS.filter((name) => name !== 'own');

test.each(drawn)('%s: half of the points are in each class, all are within the plane, and all differ', (name) => {
  const points = all(draw(name, { noise: 50 }));
  expect(points).toHaveLength(SAMPLES);
  expect(points.filter(({ label }) => label === 1)).toHaveLength(SAMPLES / 2);
  expect(points.every(({ x, y }) => Math.abs(x) <= HALF_WIDTH && Math.abs(y) <= HALF_WIDTH)).toBe(true);
  const clean = all(draw(name));
  expect(new Set(clean.map(({ x, y }) => `${x} ${y}`)).size).toBe(SAMPLES);
});

test.each(drawn)('%s: the same seed gives the same points, another seed other points', (name) => {
  expect(draw(name)).toEqual(draw(name));
  expect(draw(name, { dataSeed: 2 }).training.positions).not.toEqual(draw(name).training.positions);
});

test.each(drawn)('%s: noise moves each point by a normal variable of its deviation', (name) => {
  const [clean, noisy] = [all(draw(name)), all(draw(name, { noise: 10 }))];
  const moves = clean.flatMap(({ x, y }, i) => [noisy[i]!.x - x, noisy[i]!.y - y]);
  const mean = moves.reduce((a, b) => a + b, 0) / moves.length;
  const deviation = Math.sqrt(moves.reduce((a, b) => a + (b - mean) ** 2, 0) / moves.length);
  expect(noisy.map(({ label }) => label)).toEqual(clean.map(({ label }) => label));
  // 2 * SAMPLES normals of deviation 0.1: five standard errors of their mean and of their deviation.
  expect(Math.abs(mean)).toBeLessThan((5 * 0.1) / Math.sqrt(moves.length));
  expect(Math.abs(deviation - 0.1)).toBeLessThan((5 * 0.1) / Math.sqrt(2 * moves.length));
  expect(moves.filter((move) => Math.abs(move) < 0.1).length / moves.length).toBeCloseTo(0.683, 1);
});

test('the share of training data selects how many points are trained on, and moves none', () => {
  for (const share of [10, 25, 90]) {
    const { training, test } = draw('moons', { share });
    expect(training.labels).toHaveLength((SAMPLES * share) / 100);
    expect(test.labels).toHaveLength(SAMPLES - (SAMPLES * share) / 100);
  }
  const sortedPoints = (share: number) =>
    all(draw('moons', { share }))
      .map(({ x, y, label }) => `${x} ${y} ${label}`)
      .sort();
  expect(sortedPoints(10)).toEqual(sortedPoints(90));
  // A random half: the number of class 1 in it is within five standard deviations of hypergeometric draws.
  const ones = draw('moons').training.labels.reduce((sum, label) => sum + label, 0);
  expect(Math.abs(ones - SAMPLES / 4)).toBeLessThan(5 * Math.sqrt(SAMPLES / 16));
});

test('circles: class 1 is a disc of radius 0.8, class 0 a ring from 1.2 to 1.8, both even in area', () => {
  const points = all(draw('circles'));
  const [outer, inner] = [0, 1].map((label) => points.filter((point) => point.label === label));
  expect(inner!.every(({ radius }) => radius <= 0.8)).toBe(true);
  expect(outer!.every(({ radius }) => radius >= 1.2 && radius <= 1.8)).toBe(true);
  // Half of a disc's area lies within radius / sqrt(2): 200 draws, five standard deviations.
  const near = inner!.filter(({ radius }) => radius < 0.8 / Math.SQRT2).length;
  expect(Math.abs(near - 100)).toBeLessThan(5 * Math.sqrt(50));
});

test('xor: class 1 where the signs of x and y differ, none within 0.1 of an axis', () => {
  for (const { x, y, label } of all(draw('xor'))) {
    expect(label).toBe(x * y < 0 ? 1 : 0);
    expect(Math.min(Math.abs(x), Math.abs(y))).toBeGreaterThanOrEqual(0.1);
    expect(Math.max(Math.abs(x), Math.abs(y))).toBeLessThanOrEqual(1.8);
  }
  const quadrants = new Set(all(draw('xor')).map(({ x, y }) => `${x > 0} ${y > 0}`));
  expect(quadrants.size).toBe(4);
});

test('spirals: two arms of an Archimedean spiral, half a turn apart', () => {
  for (const { x, y, radius, label } of all(draw('spirals'))) {
    // r = 1.8 t after 1.6 t turns: the angle follows from the radius.
    const angle = 2 * Math.PI * 1.6 * (radius / 1.8) + label * Math.PI;
    expect(x).toBeCloseTo(radius * Math.cos(angle), 5);
    expect(y).toBeCloseTo(radius * Math.sin(angle), 5);
  }
});

test('moons: two half circles of radius 1.1 that reach into each other', () => {
  for (const { x, y, label } of all(draw('moons'))) {
    const [cx, cy] = label === 0 ? [-0.55, -0.275] : [0.55, 0.275];
    expect(Math.hypot(x - cx, y - cy)).toBeCloseTo(1.1, 5);
    expect(label === 0 ? y >= cy - 1e-6 : y <= cy + 1e-6).toBe(true);
  }
});

test('gaussians: normals of deviation 0.4 around (0.9, 0.9) and (-0.9, -0.9)', () => {
  for (const label of [0, 1]) {
    const center = label === 0 ? -0.9 : 0.9;
    const values = all(draw('gaussians'))
      .filter((point) => point.label === label)
      .flatMap(({ x, y }) => [x - center, y - center]);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((a, b) => a + b * b, 0) / values.length);
    expect(Math.abs(mean)).toBeLessThan((5 * 0.4) / Math.sqrt(values.length));
    expect(Math.abs(deviation - 0.4)).toBeLessThan((5 * 0.4) / Math.sqrt(2 * values.length));
  }
});

test('own: has no points', () => {
  expect(all(draw('own'))).toEqual([]);
});

test('togglePoint: adds a point within the plane, rounded to hundredths, and removes one that is near', () => {
  const points = togglePoint([{ x: 0, y: 0, label: 0 }], { x: 1.23456, y: -2.5, label: 1 });
  expect(points).toEqual([
    { x: 0, y: 0, label: 0 },
    { x: 1.23, y: -2, label: 1 },
  ]);
  expect(togglePoint(points, { x: 0.05, y: 0.05, label: 1 })).toEqual([{ x: 1.23, y: -2, label: 1 }]);
  expect(togglePoint(points, { x: 0.06, y: 0.06, label: 1 })).toHaveLength(3);
  expect(Object.is(roundCoordinate(-0.001), 0)).toBe(true);
});
