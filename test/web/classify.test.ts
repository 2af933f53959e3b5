import { expect, it } from 'vitest';
import { classifyImage } from '../../web/src/worker/classify.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { denseModel, denseProbabilities } from './support.ts';

describeOnDevice('classifyImage', (device) => {
  it('classifyImage: returns the probabilities of a softmax in float64, of each replica', async () => {
    const set = drawImages(3, { shape: [7, 5, 3], classes: 6 });
    const { model, replicas } = await denseModel(device, set, [1, 2, 3]);
    for (const i of [0, 1, 2]) {
      const pixels = set.images.slice(i * 105, (i + 1) * 105);
      for (const [replica, weights] of replicas.entries()) {
        const found = (await classifyImage(model, pixels, replica))!;
        const expected = denseProbabilities(pixels, weights, 6);
        expect(found).toHaveLength(6);
        for (const [c, p] of expected.entries()) expect(found[c]).toBeCloseTo(p, 5);
      }
    }
    model.dispose();
  });

  it('classifyImage: leaves no tensor behind', async () => {
    const set = drawImages(1, { shape: [7, 5, 3], classes: 6 });
    const { model } = await denseModel(device, set, [1]);
    const tracking = device.track();
    await classifyImage(model, set.images);
    expect(tracking.report()).toContain('all tensors created since then are released');
    tracking.stop();
    model.dispose();
  });
});
