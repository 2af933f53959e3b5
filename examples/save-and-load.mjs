// Saves a model in a file, loads it and continues training. Run it twice: the second run begins with the file.
import { existsSync } from 'node:fs';
import {
  Adam,
  Dense,
  Flatten,
  ImageLoader,
  loadDataset,
  loadModel,
  openDevice,
  Sequential,
  saveModel,
} from 'tilegrad/node';

const path = process.argv[2] ?? 'mnist.safetensors'; // which Python's safetensors reads, too
const device = await openDevice();
const { train, test } = await loadDataset('mnist');
const testImages = new ImageLoader(device, test);

const model = existsSync(path)
  ? loadModel(path, device)
  : new Sequential([
      new Flatten({ inputShape: [28, 28, 1] }),
      new Dense({ units: 32, activation: 'relu' }),
      new Dense({ units: 10, activation: 'softmax' }),
    ]).build(device, { seed: 1 });
model.compile({ optimizer: new Adam({ learningRate: 0.003 }), loss: 'sparseCategoricalCrossentropy' });
console.log(`begins with test accuracy ${(await model.evaluate(testImages)).accuracy.toFixed(4)}`);

await model.fit(new ImageLoader(device, train), { epochs: 2, batchSize: 64 });
await saveModel(model, path); // never leaves a partly written file
console.log(`ends with test accuracy ${(await model.evaluate(testImages)).accuracy.toFixed(4)}`);
device.dispose();
