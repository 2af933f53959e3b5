import { expect, test } from 'vitest';
import { pooledAverages, pooledFilters, singleLayer, splitImages } from '../../experiments/c.ts';
import type { Lab } from '../../src/cli/experiment.ts';
import type { ImageSet } from '../../src/index.ts';
import { drawImages } from '../support/images.ts';

test('C2 to C4 have as many parameters as published, and end in logits', () => {
  const networks = [singleLayer, pooledAverages, pooledFilters];
  expect(networks.map((network) => network.createModel().countParams())).toEqual([7850, 260, 142]);
  for (const { createModel, compile } of networks) {
    expect(createModel().layers.at(-1)!.getConfig().activation ?? null).toBeNull();
    expect(compile().loss).toMatchObject({ name: 'sparseCategoricalCrossentropy', fromLogits: true });
  }
});

test('the penalty of C4 is on the kernel of its last layer alone', () => {
  const { layers } = pooledFilters.createModel();
  const penalized = layers.filter((layer) => layer.getConfig().kernelRegularizer);
  expect(penalized).toEqual([layers.at(-1)]);
  expect(penalized[0]!.getConfig().kernelRegularizer).toMatchObject({ l1: 0, l2: 1e-4 });
});

const labOf = (train: ImageSet, seed: number) =>
  ({ images: () => ({ train, test: drawImages(2, { shape: train.shape }) }), seed }) as unknown as Lab;

test('none of the images for validation is trained on, and the seed alone draws them', () => {
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
