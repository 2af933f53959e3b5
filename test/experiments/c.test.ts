import { describe, expect, test } from 'vitest';
import { buildModel } from '../../experiments/C1.ts';
import { splitImages } from '../../experiments/c-data.ts';
import { pooledAverages, pooledFilters, singleLayer } from '../../experiments/c-small-networks.ts';
import type { ExperimentContext } from '../../src/cli/experiment.ts';
import type { ImageSet } from '../../src/index.ts';
import { HyperParameters } from '../../src/search/hyperparameters.ts';
import type { Trial } from '../../src/search/record.ts';
import { searchSpaceText } from '../../src/search/summary.ts';
import { drawImages } from '../support/images.ts';

test('C2 to C4 have as many parameters as published, and their output is logits', () => {
  const networks = [singleLayer, pooledAverages, pooledFilters];
  expect(networks.map((network) => network.createModel().countParams())).toEqual([7850, 260, 142]);
  for (const { createModel, compile } of networks) {
    expect(createModel().layers.at(-1)!.getConfig().activation ?? null).toBeNull();
    expect(compile().loss).toMatchObject({ name: 'sparseCategoricalCrossentropy', fromLogits: true });
  }
});

test('C4: only the kernel of the last layer has a penalty', () => {
  const { layers } = pooledFilters.createModel();
  const penalized = layers.filter((layer) => layer.getConfig().kernelRegularizer);
  expect(penalized).toEqual([layers.at(-1)]);
  expect(penalized[0]!.getConfig().kernelRegularizer).toMatchObject({ l1: 0, l2: 1e-4 });
});

const labOf = (train: ImageSet, seed: number) =>
  ({ images: () => ({ train, test: drawImages(2, { shape: train.shape }) }), seed }) as unknown as ExperimentContext;

test('validation images are not used for training, and depend only on the seed', () => {
  const all = drawImages(60, { shape: [4, 4, 1] });
  const split = (seed: number) => splitImages(labOf(all, seed));
  const of = ({ images, size }: ImageSet) =>
    Array.from({ length: size }, (_, i) => images.subarray(16 * i, 16 * (i + 1)).join(' '));
  const { train, validation } = split(1);
  expect([...of(train), ...of(validation)].sort()).toEqual(of(all).sort());
  expect(split(1)).toEqual(split(1));
  expect(of(split(2).validation)).not.toEqual(of(validation));
});

test('the whole training set is split into 50,000 and 10,000', () => {
  const { train, validation } = splitImages(labOf(drawImages(60_000, { shape: [1, 1, 1] }), 1));
  expect([train.size, validation.size]).toEqual([50_000, 10_000]);
});

describe('the network of C1', () => {
  const buildNetwork = (values: Trial['values'] = {}) => {
    const hp = new HyperParameters({ values });
    return { model: buildModel(hp), hp };
  };

  test('has the 12 hyperparameters of the coursework, under its names, and three more for each further layer', () => {
    const { hp } = buildNetwork();
    expect(searchSpaceText(hp.asked).split('\n').slice(0, 8)).toEqual([
      '[Search space summary]',
      '|-Default search space size: 12',
      '> layers (Int)',
      '|-default: 3',
      '|-max_value: 5',
      '|-min_value: 3',
      '|-sampling: None',
      '|-step: 1',
    ]);
    const names = (layers: number) => [
      'layers',
      ...Array.from({ length: layers }, (_, i) => [`units${i}`, `l2_${i}`, `dropout_${i}`]).flat(),
      ...['l2_final', 'learning_rate'],
    ];
    expect(hp.asked.map(({ name }) => name)).toEqual(names(3));
    expect(buildNetwork({ layers: 5 }).hp.asked.map(({ name }) => name)).toEqual(names(5));
    expect(hp.asked).toContainEqual(expect.objectContaining({ name: 'l2_1', min: 1e-8, max: 1e-4, sampling: 'log' }));
    expect(hp.asked).toContainEqual(expect.objectContaining({ name: 'dropout_1', min: 0.1, max: 0.5, step: 0.2 }));
    expect(hp.asked).toContainEqual(expect.objectContaining({ name: 'learning_rate', min: 1e-4, max: 0.1 }));
  });

  test('has dense, batch normalization, leaky ReLU and dropout in each hidden layer, and its output is logits', () => {
    const values = { layers: 4, units0: 256, units1: 64, units2: 128, units3: 64, l2_1: 1e-5, dropout_2: 0.5 };
    const { model } = buildNetwork(values);
    const hidden = ['Dense', 'BatchNormalization', 'LeakyReLU', 'Dropout'];
    expect(model.layers.map(({ kind }) => kind)).toEqual(['Flatten', ...Array(4).fill(hidden).flat(), 'Dense']);
    const widths = [784, 256, 64, 128, 64];
    const parameters = widths.slice(1).reduce((sum, n, i) => sum + widths[i]! * n + n + 4 * n, 0);
    expect(model.countParams()).toBe(parameters + 64 * 10 + 10);
    const config = (i: number) => model.layers[i]!.getConfig();
    expect(config(5).kernelRegularizer).toMatchObject({ l1: 0, l2: 1e-5 });
    expect(config(12)).toMatchObject({ rate: 0.5 });
    expect(config(17).activation ?? null).toBeNull();
  });
});
