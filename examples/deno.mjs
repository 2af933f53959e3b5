// Trains a small network in Deno, on Deno's WebGPU (wgpu) instead of Dawn. In a clone of tilegrad:
//
//   npm run setup                                     # once: installs the packages and builds
//   deno run -A --unstable-webgpu examples/deno.mjs
//
// Other GPU objects are passed in the same way; `device.info` describes the adapter.
import { Adam, Dense, Flatten, ImageLoader, loadDataset, openDevice, Sequential } from 'tilegrad/node';

const device = await openDevice({ gpu: navigator.gpu });
console.log(`adapter: ${device.info.name}, ${device.info.driver}`);

const { train, test } = await loadDataset('mnist'); // without the full set, the sample in this repository
const model = new Sequential([
  new Flatten({ inputShape: [28, 28, 1] }),
  new Dense({ units: 32, activation: 'relu' }),
  new Dense({ units: 10, activation: 'softmax' }),
]).build(device, { seed: 1 });
model.compile({ optimizer: new Adam({ learningRate: 0.003 }), loss: 'sparseCategoricalCrossentropy' });

const onEpochEnd = ({ epoch, loss, accuracy }) =>
  console.log(`epoch ${epoch}: loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}`);
await model.fit(new ImageLoader(device, train), { epochs: 3, batchSize: 64, callbacks: [{ onEpochEnd }] });

const { accuracy } = await model.evaluate(new ImageLoader(device, test));
console.log(`test accuracy: ${accuracy.toFixed(4)}`);
device.dispose();
