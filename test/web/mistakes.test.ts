import { expect, it } from 'vitest';
import { confusionMatrix, ImageLoader } from '../../src/node.ts';
import { imagesOfCell, testModel } from '../../web/src/worker/mistakes.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { denseModel, denseProbabilities } from './support.ts';

const set = drawImages(613, { shape: [6, 5, 2], classes: 4 });
const imageOf = (i: number) => set.images.slice(i * 60, (i + 1) * 60);

describeOnDevice('testModel', (device) => {
  it('testModel: predicts and counts like a softmax in float64, for each replica', async () => {
    const { model, replicas } = await denseModel(device, set, [3, 8]);
    const source = new ImageLoader(device, set);
    for (const [replica, weights] of replicas.entries()) {
      const result = await testModel(model, source, set.labels, replica);
      const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
      for (let i = 0; i < set.size; i++) {
        const expected = denseProbabilities(imageOf(i), weights, 4);
        const best = expected.indexOf(Math.max(...expected));
        expect(result.predicted[i]).toBe(best);
        counts[set.labels[i]!]![best]!++;
        for (const [c, p] of expected.entries()) expect(result.probabilities[i * 4 + c]).toBeCloseTo(p, 5);
      }
      expect(result.counts).toEqual(counts);
      expect(new Set(result.predicted).size).toBeGreaterThan(1); // otherwise the counts would prove little
    }
    model.dispose();
    source.dispose();
  });

  it("testModel: counts like the library's confusion matrix on the adapter", async () => {
    const { model } = await denseModel(device, set, [5]);
    const source = new ImageLoader(device, set);
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const { counts } = await testModel(model, source, set.labels);
    expect(counts).toEqual((await confusionMatrix(model, source)).counts);
    model.dispose();
    source.dispose();
  });

  it('testModel: counts no image if outputs are NaN', async () => {
    const { model } = await denseModel(device, set, [5]);
    const source = new ImageLoader(device, set);
    device.upload(model.weights[1]!.tensor.array.storage, Float32Array.of(Number.NaN, 0, 0, 0));
    const { counts, predicted } = await testModel(model, source, set.labels);
    expect(counts.flat()).toEqual(Array(16).fill(0));
    expect(new Set(predicted)).toEqual(new Set([255]));
    model.dispose();
    source.dispose();
  });
});

it('imagesOfCell: lists the images of a cell, the most certain first, 20 at most', () => {
  const predicted = set.labels.map((label, i) => (i % 3 === 0 ? (label + 1) % 4 : label)) as Uint8Array;
  const probabilities = Float32Array.from({ length: 4 * set.size }, (_, i) => ((i * 37) % 101) / 101);
  const result = { counts: [], predicted, probabilities };
  for (const [truth, taken] of [
    [2, 3],
    [1, 1],
  ] as const) {
    const expected = Array.from({ length: set.size }, (_, i) => i)
      .filter((i) => set.labels[i] === truth && predicted[i] === taken)
      .map((i) => ({
        index: i,
        pixels: imageOf(i),
        probability: probabilities[4 * i + taken]!,
        probabilityOfTrue: probabilities[4 * i + truth]!,
      }));
    expect(expected.length).toBeGreaterThan(20);
    expected.sort((a, b) => (a.probability === b.probability ? a.index - b.index : b.probability - a.probability));
    expect(imagesOfCell(set, result, truth, taken)).toEqual(expected.slice(0, 20));
  }
  expect(imagesOfCell(set, result, 0, 3)).toEqual([]);
});
