import { Adam, Dense, Flatten, ImageLoader, openDevice, Sequential } from '../../src/node.ts';
import { drawImages } from './images.ts';

// Runs as a separate program (see node.test.ts): trains on one device after another, then ends by itself.
for (const seed of [1, 2]) {
  using device = await openDevice();
  using loader = new ImageLoader(device, drawImages(40, { shape: [4, 4, 1], classes: 2 }));
  using model = new Sequential([
    new Flatten({ inputShape: [4, 4, 1] }),
    new Dense({ units: 2, activation: 'softmax' }),
  ]).build(device, { seed });
  model.compile({ optimizer: new Adam({ learningRate: 0.1 }), loss: 'sparseCategoricalCrossentropy' });
  const { epochs } = await model.fit(loader, { epochs: 20, batchSize: 10, seed });
  process.stdout.write(`${epochs.at(-1)!.accuracy}\n`);
}
