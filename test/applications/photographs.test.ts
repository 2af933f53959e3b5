import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GlobalAveragePooling2D, loadNpy, type Model, mobileNetV2, Rescaling, Sequential } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

/** Outputs of the network for a photograph, computed in float64 with NumPy and rounded to six decimals. */
interface Expected {
  picture: string;
  /** The most likely classes, in descending order. */
  top5: { class: number; label: string; probability: number }[];
  /** The first 16 of 1,280 features. */
  pooledFeatures: Record<'alpha1.0' | 'alpha0.35', number[]>;
}

const folder = process.env.TILEGRAD_WEIGHTS;
const reason = !folder
  ? 'the environment variable TILEGRAD_WEIGHTS names no folder with published weights'
  : existsSync(join(folder, 'photos.npy'))
    ? null
    : `${folder} has no photos.npy`;
if (reason) console.error(`SKIPPED, MobileNetV2 with its published weights: ${reason}`);

const ROUNDING = 0.5e-6;
/** Tolerance for f32 after 52 layers, relative to the largest value. */
const RTOL = 1e-5;

describeOnDevice("MobileNetV2 with 'imagenet' weights", (device) => {
  const read = () => ({
    photos: loadNpy(join(folder!, 'photos.npy')),
    expected: JSON.parse(readFileSync(join(folder!, 'photos.json'), 'utf8')) as Expected[],
  });
  /** Outputs of a network for all photographs, one row each. */
  async function rowsOf(
    layers: (Model | GlobalAveragePooling2D)[],
    { shape, data }: ReturnType<typeof read>['photos'],
  ) {
    const preprocessing = new Rescaling({ scale: 1 / 127.5, offset: -1, inputShape: shape.slice(1) });
    const model = new Sequential([preprocessing, ...layers]).build(device);
    const all = await model.predict({ shape, data }, { batchSize: 2 });
    model.dispose();
    const length = all.length / shape[0]!;
    return Array.from({ length: shape[0]! }, (_, i) => all.subarray(i * length, (i + 1) * length));
  }

  test.skipIf(reason)('predict: classifies six photographs as in float64', async ({ annotate }) => {
    const { photos, expected } = read();
    expect(expected).toHaveLength(6);
    let largest = 0;
    const outputs = await rowsOf([await mobileNetV2({ weights: 'imagenet' })], photos);
    for (const [i, { picture, top5 }] of expected.entries()) {
      const probabilities = outputs[i]!;
      expect(probabilities).toHaveLength(1000);
      const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b]! - probabilities[a]!);
      expect(order.slice(0, 5), picture).toEqual(top5.map((one) => one.class));
      for (const { class: index, probability } of top5) {
        const error = Math.abs(probabilities[index]! - probability);
        largest = Math.max(largest, error / top5[0]!.probability);
        expect(error, `${picture}, class ${index}`).toBeLessThanOrEqual(ROUNDING + RTOL * top5[0]!.probability);
      }
    }
    await annotate(`probabilities: largest error ${largest.toExponential(1)} of the largest probability`);
  });

  test.skipIf(reason).for([1, 0.35] as const)(
    'predict: pools the same features as in float64, alpha %d',
    async (alpha, { annotate }) => {
      const { photos, expected } = read();
      const extractor = await mobileNetV2({ alpha, includeTop: false, weights: 'imagenet' });
      const features = await rowsOf([extractor, new GlobalAveragePooling2D()], photos);
      let largest = 0;
      for (const [i, { picture, pooledFeatures }] of expected.entries()) {
        const row = features[i]!;
        expect(row).toHaveLength(1280);
        const scale = row.reduce((largest, value) => Math.max(largest, value), 0);
        for (const [k, value] of pooledFeatures[alpha === 1 ? 'alpha1.0' : 'alpha0.35'].entries()) {
          const error = Math.abs(row[k]! - value);
          largest = Math.max(largest, error / scale);
          expect(error, `${picture}, feature ${k}`).toBeLessThanOrEqual(ROUNDING + RTOL * scale);
        }
      }
      await annotate(`features of alpha ${alpha}: largest error ${largest.toExponential(1)} of the largest feature`);
    },
  );
});
