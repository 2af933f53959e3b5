import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { firstEpochAbove, meanAbsoluteChange, rateOfEpoch } from '../../experiments/e-curves.ts';
import { classes, loadDataset, saveDataset } from '../../experiments/e-data.ts';
import { names, network } from '../../experiments/e-networks.ts';
import { tempDir } from '../data/helpers.ts';
import { drawImages } from '../support/images.ts';

test('the five architectures have as many parameters as published', () => {
  const parameters = names.map((name) => [name, network(name).createModel().countParams()]);
  expect(Object.fromEntries(parameters)).toEqual({
    mlp1: 784 * 64 + 64 + 64 * 5 + 5,
    mlp2: 784 * 16 + 16 + 16 * 64 + 64 * 5 + 5,
    cnn3: 9741,
    cnn4: 7253,
    cnn5: 6061,
  });
});

test('the sigmoid variant has no ReLU; layers without an activation keep none', () => {
  const activations = (name: (typeof names)[number], activation: 'relu' | 'sigmoid') =>
    network(name, activation)
      .createModel()
      .layers.flatMap((layer) => (layer.getConfig().activation as string | undefined) ?? []);
  for (const name of names) {
    const relu = activations(name, 'relu');
    expect(relu).toContain('relu');
    expect(activations(name, 'sigmoid')).toEqual(relu.map((one) => (one === 'relu' ? 'sigmoid' : one)));
  }
});

test('data: is read from .npy files, with images as rows of 784', () => {
  const folder = tempDir();
  const draw = (size: number) => ({ ...drawImages(size, { shape: [28, 28, 1], classes: 5 }), classes });
  const [train, test] = [draw(40), draw(12)];
  saveDataset(folder, { train, test });
  expect(loadDataset(folder)).toEqual({ train, test });
  const header = readFileSync(join(folder, 'dataset', 'train_images.npy'))
    .subarray(10, 128)
    .toString();
  expect(header).toContain("'shape': (40, 784)");
});

test('rates: each epoch has the rate of its phase, and later epochs that of the last phase', () => {
  const phases = [
    { rate: 0.1, epochs: 2 },
    { rate: 0.01, epochs: 1 },
    { rate: 0.001, epochs: 2 },
  ];
  const rates = Array.from({ length: 7 }, (_, epoch) => rateOfEpoch(phases, epoch));
  expect(rates).toEqual([0.1, 0.1, 0.01, 0.001, 0.001, 0.001, 0.001]);
});

test('speed and noise of a curve', () => {
  expect(firstEpochAbove([0.5, 0.9, 0.91, 0.8], 0.9)).toBe(3);
  expect(firstEpochAbove([0.5], 0.9)).toBeNull();
  // The first half is ignored.
  expect(meanAbsoluteChange([0, 9, 1, 4, 2, 3])).toBeCloseTo(1.5, 12);
  expect(meanAbsoluteChange([1, 2])).toBeNaN();
});
