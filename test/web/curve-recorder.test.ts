import { expect, test } from 'vitest';
import { CurveRecorder } from '../../web/src/worker/curve-recorder.ts';

const metrics = (loss: number, accuracy: number) => ({ loss, accuracy });

test('addTraining: points are means over the samples since the last point', () => {
  const recorder = new CurveRecorder();
  recorder.addTraining(1, 10, [metrics(2, 0.1), metrics(4, 0.5)]);
  // 30 samples with a mean of 1 have a sum of 30; the 20 new ones of them 30 - 10 * 2 = 10, and 30 * 3 - 10 * 4 = 50.
  recorder.addTraining(3, 30, [metrics(1, 0.3), metrics(3, 0.5)]);
  const [, point] = recorder.curves.train;
  expect(point!.step).toBe(3);
  expect(point!.loss).toEqual([0.5, 2.5]);
  expect(point!.accuracy[0]).toBeCloseTo(0.4, 12);
  expect(point!.accuracy[1]).toBeCloseTo(0.5, 12);
});

test('addTraining: starts again in each epoch', () => {
  const recorder = new CurveRecorder();
  recorder.addTraining(4, 40, [metrics(2, 0)]);
  recorder.addTest({ step: 5, loss: [3], accuracy: [0.2] });
  recorder.addTraining(10, 50, [metrics(1, 0)]);
  recorder.addTraining(12, 10, [metrics(0.5, 0)]); // of another epoch, although the test images were not evaluated in between
  expect(recorder.curves.train.map(({ loss }) => loss[0])).toEqual([2, 1, 0.5]);
  expect(recorder.curves.test).toEqual([{ step: 5, loss: [3], accuracy: [0.2] }]);
});

test('addTraining: keeps 400 of 3,000 points, the last one unchanged', () => {
  const recorder = new CurveRecorder();
  for (let step = 1; step <= 3000; step++) {
    recorder.addTest({ step, loss: [step], accuracy: [0] });
    recorder.addTraining(step, 1, [metrics(step, 0)]);
  }
  const { train } = recorder.curves;
  expect(train).toHaveLength(400);
  expect(train.at(-1)).toEqual({ step: 3000, loss: [3000], accuracy: [0] });
  const steps = train.map(({ step }) => step);
  expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
  for (const { step, loss } of train) expect(Math.abs(loss[0]! - step)).toBeLessThanOrEqual(16); // 3000 steps are 7.5 a point
});

test('state and restore: continue as if uninterrupted', () => {
  const first = new CurveRecorder();
  first.addTraining(1, 10, [metrics(2, 0)]);
  const second = new CurveRecorder();
  second.restore(structuredClone(first.state()), 1);
  for (const recorder of [first, second]) recorder.addTraining(2, 20, [metrics(1, 0)]);
  expect(second.curves).toEqual(first.curves);
  expect(second.curves.train.at(-1)!.loss).toEqual([0]);
});
