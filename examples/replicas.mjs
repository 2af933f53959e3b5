// Replicas: eight models that differ in seed and learning rate, trained in the same dispatches. Each has the bits of a model trained alone.
import { Adam, Dense, Flatten, ImageLoader, loadDataset, openDevice, Sequential } from 'tilegrad/node';

const device = await openDevice();
const { train, test } = await loadDataset('mnist');
const learningRate = [0.0003, 0.0003, 0.001, 0.001, 0.003, 0.003, 0.03, 0.03];

const model = new Sequential([
  new Flatten({ inputShape: [28, 28, 1] }),
  new Dense({ units: 32, activation: 'relu' }),
  new Dense({ units: 10, activation: 'softmax' }),
]).build(device, { seed: 1 }); // replica r has seed 1 + r
model.compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });

const data = new ImageLoader(device, train);
const { replicas } = await model.fit(data, { epochs: 3, batchSize: 64, seed: 1, replicas: learningRate.length });
const results = await model.evaluateReplicas(new ImageLoader(device, test));
for (const [r, { accuracy }] of results.entries()) {
  const { loss } = replicas[r].at(-1);
  console.log(`rate ${learningRate[r]}: training loss ${loss.toFixed(4)}, test accuracy ${accuracy.toFixed(4)}`);
}
device.dispose();
