import {
  Adam,
  Dense,
  Dropout,
  type HyperParameters,
  type SearchRecord,
  Sequential,
  type Trial,
} from '../../src/node.ts';
import { points } from '../support/points.ts';

// A small search for the tests of this folder: networks of a few units on 40 points of the plane.

const { x, labels: y } = points();
export const data = { x, y };
export const fit = { epochs: 3, batchSize: 8, validationSplit: 0.25 };

/** A network of three hyperparameters. */
export function buildModel(hp: HyperParameters): Sequential {
  const units = hp.int('units', { min: 2, max: 6 });
  const rate = hp.float('dropout', { min: 0, max: 0.5, step: 0.25 });
  const learningRate = hp.float('learningRate', { min: 1e-3, max: 1, sampling: 'log' });
  return network(units, learningRate, rate);
}

export function network(units = 3, learningRate = 0.1, dropout = 0): Sequential {
  return new Sequential([
    new Dense({ units, activation: 'tanh', inputShape: [2] }),
    ...(dropout > 0 ? [new Dropout(dropout)] : []),
    new Dense({ units: 2, activation: 'softmax' }),
  ]).compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
}

/** A trial without the times. */
export function withoutTimes({ seconds: _, histories, ...rest }: Trial) {
  return {
    ...rest,
    histories: histories.map((epochs) => epochs.map(({ seconds, samplesPerSecond, ...logs }) => logs)),
  };
}

export const trialsOf = ({ trials }: SearchRecord) => trials.map(withoutTimes);
