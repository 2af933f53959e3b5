import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  ArgumentError,
  Dense,
  type Device,
  type EpochLogs,
  Flatten,
  ImageLoader,
  ModelCheckpoint,
  Sequential,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

describeOnDevice('the path of a ModelCheckpoint', (device: Device) => {
  const shape: [number, number, number] = [4, 4, 1];

  test('throws before training if it has an unknown metric', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-checkpoint-'));
    const loader = new ImageLoader(device, drawImages(8, { shape, classes: 2 }));
    const model = new Sequential([new Flatten({ inputShape: shape }), new Dense({ units: 2, activation: 'softmax' })]);
    model.build(device).compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    onTestFinished(() => {
      for (const one of [model, loader]) one.dispose();
      rmSync(folder, { recursive: true });
    });
    const seen: EpochLogs[] = [];
    const train = (name: string, options = {}) =>
      model.fit(loader, {
        ...options,
        callbacks: [
          { onEpochEnd: (logs) => void seen.push(logs), adds: [] },
          new ModelCheckpoint({ path: join(folder, name), saveWeightsOnly: true }),
        ],
      });
    const training = train('ck-{valLoss:.2f}');
    await expect(training).rejects.toThrow(ArgumentError);
    await expect(training).rejects.toThrow(/path: the epoch has no metric "valLoss".*need validationData/);
    await expect(train('{epoch:02d}-{nothing}')).rejects.toThrow(/no metric "nothing"/);
    expect({ seen, files: readdirSync(folder) }).toEqual({ seen: [], files: [] });
    // All metrics of an epoch.
    await train('all', { validationData: loader });
    await train(
      Object.keys(seen[0]!)
        .map((name) => `{${name}:.0f}`)
        .join('-'),
      { validationData: loader },
    );
    expect(readdirSync(folder)).toHaveLength(2);
  });
});
