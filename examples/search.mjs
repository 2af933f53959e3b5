// A hyperparameter search. Run it again to continue an interrupted search, or with a larger maxTrials to extend it.
import {
  Adam,
  BayesianOptimization,
  Dense,
  Dropout,
  Flatten,
  firstImages,
  ImageLoader,
  loadDataset,
  openDevice,
  Sequential,
} from 'tilegrad/node';

const device = await openDevice();
const { train, test } = await loadDataset('mnist');

function buildModel(hp) {
  const units = hp.int('units', { min: 16, max: 64, step: 16 });
  const rate = hp.float('dropout', { min: 0, max: 0.4, step: 0.1 });
  const learningRate = hp.float('learningRate', { min: 1e-4, max: 1e-1, sampling: 'log' });
  return new Sequential([
    new Flatten({ inputShape: [28, 28, 1] }),
    new Dense({ units, activation: 'relu' }),
    new Dropout(rate),
    new Dense({ units: 10, activation: 'softmax' }),
  ]).compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
}

const search = new BayesianOptimization({
  buildModel,
  objective: 'valAccuracy',
  maxTrials: 10,
  seed: 1,
  directory: process.argv[2] ?? 'search-mnist', // each trial is saved here when it ends
  device,
  onTrialEnd: ({ number, score }) => console.log(`trial ${number}: ${score?.toFixed(4)}`),
});
const validationData = new ImageLoader(device, firstImages(test, 200));
await search.search(new ImageLoader(device, train), { epochs: 2, batchSize: 64, validationData });

console.log(search.resultsSummary(3));
const [best] = await search.bestModels(); // with the weights of its best epoch
const { accuracy } = await best.evaluate(validationData);
console.log(`the best again: ${accuracy.toFixed(4)}`);
device.dispose();
