import { expect, test } from 'vitest';
import { CurveHistory } from '../../web/src/playground/curve-history.ts';
import type { Look } from '../../web/src/playground/look.ts';

const score = (step: number) => ({ loss: [1 / (step + 1)], accuracy: [0.5] });
const look = (step: number, hasTest = true): Look => ({
  ...{ step, epoch: step / 10, surface: new Float32Array(4), boundaries: [], units: [] },
  ...{ training: score(step), test: hasTest ? score(step) : null },
});
const steps = ({ curves }: CurveHistory) => curves.train.map((point) => point.step);

test('a snapshot of a step adds a point, once', () => {
  const history = new CurveHistory();
  for (const step of [0, 3, 3, 7]) history.add(look(step));
  expect(history.curves.train).toEqual([0, 3, 7].map((step) => ({ step, ...score(step) })));
  expect(history.curves.test).toEqual(history.curves.train);
});

test('a snapshot of an earlier step deletes later points; without test points there is no test curve', () => {
  const history = new CurveHistory();
  for (const step of [0, 10, 20, 30]) history.add(look(step));
  history.add(look(15));
  expect(steps(history)).toEqual([0, 10, 15]);
  history.add(look(0, false));
  expect(steps(history)).toEqual([0]);
  expect(history.curves.test).toEqual([]);
});

test('a long training keeps its first and last point, and a limited number between', () => {
  const history = new CurveHistory();
  for (let step = 0; step <= 5000; step++) history.add(look(step));
  const kept = steps(history);
  expect(kept.length).toBeLessThanOrEqual(401);
  expect(kept.length).toBeGreaterThan(200);
  expect([kept[0], kept.at(-1)]).toEqual([0, 5000]);
  expect(kept).toEqual([...kept].sort((a, b) => a - b));
});
