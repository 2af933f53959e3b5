// Transfer learning: MobileNetV2, trained on ImageNet, learns the ten classes of CIFAR-10 from 500 images.
// The weights are downloaded once (2 MB), or taken from the folder that TILEGRAD_WEIGHTS names.
import {
  Adam,
  Dense,
  firstImages,
  GlobalAveragePooling2D,
  ImageLoader,
  loadDataset,
  mobileNetV2,
  openDevice,
  Rescaling,
  Resizing,
  Sequential,
} from 'tilegrad/node';

const device = await openDevice();
const { train, test } = await loadDataset('cifar10');
const images = new ImageLoader(device, firstImages(train, 500));
const testImages = new ImageLoader(device, firstImages(test, 200));

const extractor = await mobileNetV2({ alpha: 0.35, inputShape: [96, 96, 3], includeTop: false, weights: 'imagenet' });
extractor.trainable = false;
const model = new Sequential([
  new Rescaling({ scale: 2, offset: -1, inputShape: [32, 32, 3] }), // pixels of 0..1 to the -1..1 its weights expect
  new Resizing({ height: 96, width: 96 }),
  extractor,
  new GlobalAveragePooling2D(),
  new Dense({ units: 10, activation: 'softmax' }),
]).build(device, { seed: 1 });
model.compile({ optimizer: new Adam({ learningRate: 0.003 }), loss: 'sparseCategoricalCrossentropy' });

const onEpochEnd = ({ epoch, loss, accuracy }) =>
  console.log(`epoch ${epoch}: loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}`);
// Each image passes through the frozen extractor once; the epochs train the last layer on its outputs.
await model.fit(images, { epochs: 8, batchSize: 32, cacheFeatures: true, callbacks: [{ onEpochEnd }] });
const { accuracy } = await model.evaluate(testImages, { batchSize: 32 });
console.log(`test accuracy: ${accuracy.toFixed(4)}`);
device.dispose();
