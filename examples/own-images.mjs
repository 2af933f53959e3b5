// Trains on your own pictures, one folder per class (shapes/circle/1.png, shapes/square/1.png, ...), with augmentation. Needs `npm install sharp`.
import {
  Conv2D,
  confusionMatrix,
  Dense,
  Flatten,
  ImageLoader,
  imageFolder,
  MaxPooling2D,
  openDevice,
  RandomFlip,
  RandomTranslation,
  Sequential,
  trainTestSplit,
} from 'tilegrad/node';

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node examples/own-images.mjs shapes, a folder with one folder of pictures for each class');
  process.exit(2);
}
const device = await openDevice();
const images = await imageFolder(folder, { size: [32, 32] });
const { train, test } = trainTestSplit(images, { testSize: 0.25, stratify: true, seed: 1 });
console.log(`${images.classes.join(', ')}: ${train.size} pictures to train on, ${test.size} to test`);

const model = new Sequential([
  new RandomFlip({ inputShape: images.shape }), // only in training, drawn again for each picture and step
  new RandomTranslation({ heightFactor: 0.1, widthFactor: 0.1 }),
  new Conv2D({ filters: 8, kernelSize: 3, activation: 'relu' }),
  new MaxPooling2D(),
  new Flatten(),
  new Dense({ units: images.classes.length, activation: 'softmax' }),
]).build(device, { seed: 1 });
model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
await model.fit(new ImageLoader(device, train), { epochs: 30, batchSize: 16 });

const { accuracy } = await model.evaluate(new ImageLoader(device, test));
console.log(`test accuracy: ${accuracy.toFixed(4)}`);
console.log((await confusionMatrix(model, new ImageLoader(device, test))).counts);
device.dispose();
