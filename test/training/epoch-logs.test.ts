import { expect, test } from 'vitest';
import { epochLogs, validationName } from '../../src/training/epoch-logs.ts';

const timed = { epoch: 2, samples: 60, seconds: 3 };

test("epochLogs: one replica's logs and the means are the same object, so that callbacks add to both", () => {
  const training = [{ loss: 0.5, accuracy: 0.75 }];
  const { logs, replicas } = epochLogs({ ...timed, training, validation: undefined, rates: [0.1], learningRate: 0.1 });
  expect(replicas).toHaveLength(1);
  expect(replicas[0]).toBe(logs);
  expect(logs).toEqual({ epoch: 2, loss: 0.5, accuracy: 0.75, learningRate: 0.1, seconds: 3, samplesPerSecond: 20 });
});

test('epochLogs: several replicas keep their logs, and the means have the epoch and the first rate', () => {
  const training = [{ loss: 1 }, { loss: 3 }];
  const validation = [{ loss: 2 }, { loss: 6 }];
  const { logs, replicas } = epochLogs({ ...timed, training, validation, rates: [0.1, 0.2], learningRate: 0.1 });
  const timing = { seconds: 3, samplesPerSecond: 40 };
  expect(replicas).toEqual([
    { epoch: 2, loss: 1, valLoss: 2, learningRate: 0.1, ...timing },
    { epoch: 2, loss: 3, valLoss: 6, learningRate: 0.2, ...timing },
  ]);
  expect(logs).toEqual({ epoch: 2, loss: 2, valLoss: 4, learningRate: 0.1, ...timing });
});

test('epochLogs: one rate applies to all replicas', () => {
  const training = [{ loss: 1 }, { loss: 3 }];
  const { replicas } = epochLogs({ ...timed, training, validation: undefined, rates: [0.1], learningRate: 0.1 });
  expect(replicas.map(({ learningRate }) => learningRate)).toEqual([0.1, 0.1]);
});

test('validationName: puts val before a name', () => expect(validationName('topK5')).toBe('valTopK5'));
