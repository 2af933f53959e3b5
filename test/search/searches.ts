import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Adam, Dense, type HyperParameters, type SearchRecord, Sequential, type Trial } from '../../src/node.ts';
import { points } from '../support/points.ts';

// Small searches for the tests of this folder: networks of a few units on 40 points of the plane.

const { x, labels: y } = points();
export const data = { x, y };
export const fit = { epochs: 3, batchSize: 8, validationSplit: 0.25 };

/** A folder that goes with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'tilegrad-search-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A network of two hyperparameters. */
export function buildModel(hp: HyperParameters): Sequential {
  const units = hp.int('units', { min: 2, max: 6 });
  const learningRate = hp.float('learningRate', { min: 1e-3, max: 1, sampling: 'log' });
  const model = new Sequential([
    new Dense({ units, activation: 'tanh', inputShape: [2] }),
    new Dense({ units: 2, activation: 'softmax' }),
  ]);
  return model.compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
}

/** A trial without what depends on the clock. */
export function withoutTimes({ seconds: _, histories, ...rest }: Trial) {
  return {
    ...rest,
    histories: histories.map((epochs) => epochs.map(({ seconds, samplesPerSecond, ...logs }) => logs)),
  };
}

export const trialsOf = ({ trials }: SearchRecord) => trials.map(withoutTimes);
