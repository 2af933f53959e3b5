// Draws curves, a confusion matrix and filters, writes a report in one file, and logs for `tensorboard --logdir logs`.
// Needs `npm install vega vega-lite @resvg/resvg-js @expo-google-fonts/open-sans`.
import { join } from 'node:path';
import {
  Conv2D,
  confusionMatrix,
  Dense,
  Flatten,
  ImageLoader,
  loadDataset,
  MaxPooling2D,
  openDevice,
  Sequential,
  TensorBoard,
} from 'tilegrad/node';
import { createReport, plotConfusionMatrix, plotFilters, plotHistory, plotModel, section } from 'tilegrad/report';

const folder = process.argv[2] ?? 'digits';
const device = await openDevice();
const { train, test } = await loadDataset('mnist');
const model = new Sequential([
  new Conv2D({ filters: 8, kernelSize: 5, activation: 'relu', inputShape: [28, 28, 1] }),
  new MaxPooling2D(),
  new Flatten(),
  new Dense({ units: 10, activation: 'softmax' }),
]).build(device, { seed: 1 });
model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
const testImages = new ImageLoader(device, test);
const callbacks = [new TensorBoard({ logDir: join(folder, 'logs'), histogramFreq: 1 })];
const history = await model.fit(new ImageLoader(device, train), { epochs: 3, validationData: testImages, callbacks });

await plotHistory(history).save(join(folder, 'curves.svg')); // or .png
const { counts } = await confusionMatrix(model, testImages);
const classes = test.classes;
const kernel = model.weights.find(({ name }) => name.endsWith('kernel'));
const filters = { shape: kernel.tensor.shape, data: await kernel.tensor.data() };
const report = createReport({
  title: 'A small network on MNIST',
  sections: [
    section('Curves', plotHistory(history)),
    section('Mistakes', plotConfusionMatrix(counts, { classes })),
    section('Filters of the first layer', plotFilters(filters)),
    section('Model', plotModel(model)),
  ],
});
console.log(await report.save(join(folder, 'report.html')));
device.dispose();
