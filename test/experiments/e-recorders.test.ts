import { expect, test } from 'vitest';
import { AccuracyCurve, distance, FirstLayerChanges, meanOver, TrainingCurves } from '../../experiments/e-recorders.ts';
import { blur, classMeans, correlation, mostSimilarClass, unitsOf } from '../../experiments/e-units.ts';
import type { Model, StepLogs, TrainInfo } from '../../src/index.ts';

const trainInfo = (model: object = { replicas: 2 }) => ({ model, samples: 230, batchSize: 50 }) as unknown as TrainInfo; // 5 steps an epoch

/** The logs of `fit` after steps with known losses and hits: means over the epoch so far. */
function logsOf(epoch: number, steps: { samples: number; loss: number; hits: number }[][]): StepLogs {
  const step = steps[0]!.length;
  const samples = steps[0]!.reduce((sum, one) => sum + one.samples, 0);
  const replicas = steps.map((replicaSteps) => ({
    loss: replicaSteps.reduce((sum, one) => sum + one.loss * one.samples, 0) / samples,
    accuracy: replicaSteps.reduce((sum, one) => sum + one.hits, 0) / samples,
  }));
  return { epoch, step, samples, logs: replicas[0]!, replicas };
}

test('training curves: a point has the metrics of the steps since the last point, within an epoch', async () => {
  const steps = [
    [2, 1.5, 1, 0.5, 4].map((loss, i) => ({ samples: i < 4 ? 50 : 30, loss, hits: 10 * i })),
    [9, 8, 7, 6, 5].map((loss, i) => ({ samples: i < 4 ? 50 : 30, loss, hits: 20 })),
  ];
  const recorder = new TrainingCurves(2);
  recorder.onTrainBegin(trainInfo());
  for (const epoch of [1, 2]) {
    for (const done of [2, 4])
      await recorder.onSteps(
        logsOf(
          epoch,
          steps.map((replicaSteps) => replicaSteps.slice(0, done)),
        ),
      );
  }
  expect(recorder.steps).toEqual([2, 4, 7, 9]);
  const close = (values: number[]) => values.map((value) => expect.closeTo(value, 10));
  expect(recorder.curves.loss).toEqual([close([1.75, 0.75, 1.75, 0.75]), close([8.5, 6.5, 8.5, 6.5])]);
  expect(recorder.curves.accuracy).toEqual([close([0.1, 0.5, 0.1, 0.5]), close([0.4, 0.4, 0.4, 0.4])]);
});

/** A model of two replicas whose first layer has two weights; `weights` has their values at each read. */
function modelOf(weights: number[][]): Model {
  let reading = 0;
  const data = async () => Float32Array.from(weights[reading++]!);
  return { replicas: 2, weights: [{ tensor: { data } }] } as unknown as Model;
}

test("change of the first layer: the norm of each replica's difference divided by the rate", async () => {
  const recorder = new FirstLayerChanges(1, 0.5);
  recorder.onTrainBegin(
    trainInfo(
      modelOf([
        [0, 0, 1, 1],
        [3, 4, 1, 2],
        [3, 4, 1, 2],
      ]),
    ),
  );
  for (const step of [1, 2, 3]) await recorder.onSteps({ ...logsOf(1, [[{ samples: 50, loss: 1, hits: 1 }]]), step });
  expect(recorder.steps).toEqual([1, 2, 3]);
  expect(recorder.curves.change).toEqual([
    [10, 0],
    [2, 0],
  ]);
  expect(distance(Float32Array.of(1, 2), Float32Array.of(4, 6))).toBe(5);
});

test('a restored recorder continues as if it had not been interrupted', async () => {
  const weights = [
    [0, 0, 1, 1],
    [3, 4, 1, 2],
    [0, 0, 0, 0],
  ];
  const step = (n: number) => ({ ...logsOf(1, [[{ samples: 50, loss: 1, hits: 1 }]]), step: n });
  const whole = new FirstLayerChanges(1, 0.5);
  whole.onTrainBegin(trainInfo(modelOf(weights)));
  for (const n of [1, 2, 3]) await whole.onSteps(step(n));

  const first = new FirstLayerChanges(1, 0.5);
  first.onTrainBegin(trainInfo(modelOf(weights)));
  for (const n of [1, 2]) await first.onSteps(step(n));
  const state = first.state();
  await first.onSteps(step(3)); // earlier states must not change
  const second = new FirstLayerChanges(1, 0.5);
  second.onTrainBegin(trainInfo(modelOf(weights.slice(2))));
  second.restore(state);
  await second.onSteps(step(3));
  expect([second.steps, second.curves]).toEqual([whole.steps, whole.curves]);
});

test('the accuracy curve evaluates the whole data at each point, with the given batch size', async () => {
  const requests: unknown[] = [];
  const data = { x: [[0]], y: [0] };
  const evaluateReplicas = async (...words: unknown[]) => {
    requests.push(words);
    return [
      { loss: 1, accuracy: requests.length / 10 },
      { loss: 1, accuracy: 0 },
    ];
  };
  const recorder = new AccuracyCurve(10, data, 50);
  recorder.onTrainBegin(trainInfo({ replicas: 2, evaluateReplicas }));
  for (const _ of [1, 2]) await recorder.onSteps(logsOf(1, [[{ samples: 50, loss: 1, hits: 1 }]]));
  expect(requests).toEqual([
    [data, { batchSize: 50 }],
    [data, { batchSize: 50 }],
  ]);
  expect(recorder.curves.accuracy).toEqual([
    [0.1, 0.2],
    [0, 0],
  ]);
});

test('means over replicas are missing if a replica has no value', () => {
  expect(
    meanOver([
      [1, 2, null],
      [3, 4, 5],
    ]),
  ).toEqual([2, 3, null]);
  expect(meanOver([])).toEqual([]);
});

test('units are along the last axis of a kernel; each is assigned to the class whose mean image matches its weights', () => {
  expect(unitsOf([1, 2, 3, 4, 5, 6], 2)).toEqual([
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
  const set = {
    images: Uint8Array.from([255, 0, 0, 255, 0, 0, 0, 51, 255, 0, 51, 255]),
    labels: Uint8Array.from([0, 0, 1, 1]),
    size: 4,
    shape: [1, 3, 1] as [number, number, number],
    classes: ['left', 'right'],
  };
  const pictures = classMeans(set);
  expect(pictures).toEqual([
    [0.5, -0.1, -0.5].map((value) => expect.closeTo(value, 12)),
    [-0.5, 0.1, 0.5].map((value) => expect.closeTo(value, 12)),
  ]);
  // 12 pixels a row, so that the image is not constant after blurring. The two classes are each other's negative.
  const wide = pictures.map((picture) => picture.flatMap((value) => [value, value, value, value]));
  const other = wide[1]!.map((_, p) => (p - 5) ** 2);
  const unit = wide[1]!.map((value) => 20 * value + 3);
  expect(mostSimilarClass(unit, [other, wide[1]!], 12)).toEqual({ label: 1, similarity: expect.closeTo(1, 12) });
  expect(mostSimilarClass(unit, [other, wide[0]!], 12)).toEqual({ label: 1, similarity: expect.closeTo(-1, 12) });
  expect(correlation([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
  expect(correlation([1, 1, 1], [3, 2, 1])).toBe(0);
});

test('blur: each pixel is the mean of the 5 x 5 around it, fewer at the edges', () => {
  const spot = Array.from({ length: 6 * 7 }, (_, i) => (i === 3 * 7 + 3 ? 60 : 0)); // row 3, column 3 of 6 x 7
  const blurred = blur(spot, 7);
  expect(blurred[3 * 7 + 3]).toBeCloseTo(60 / 25, 12);
  expect(blurred[1 * 7 + 1]).toBeCloseTo(60 / 16, 12);
  expect(blurred[0]).toBe(0);
  expect(blurred[5 * 7 + 5]).toBeCloseTo(60 / 12, 12);
});
