// Trains a small convolutional network in a page, and sends what it sees to the server of run.mjs, a line a request.
import { Adam, Conv2D, Dense, Device, Flatten, MaxPooling2D, Sequential } from '../../src/index.ts';

const report = (line) => fetch('/report', { method: 'POST', body: line });

/** Half of the images are brighter on their left side. */
function drawImages(count) {
  const data = new Float32Array(count * 64);
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (state * 48271) % 2147483647;
    const isBright = Math.floor(i / 64) % 2 === 1 && i % 8 < 4;
    data[i] = state / 2147483647 + (isBright ? 0.5 : 0);
  }
  return { x: { shape: [count, 8, 8, 1], data }, y: Array.from({ length: count }, (_, i) => i % 2) };
}

async function train() {
  const device = await Device.open(navigator.gpu);
  const { name, vendor, architecture, isSoftware } = device.info;
  await report(
    `adapter: ${name} (${vendor}, ${architecture}), software: ${isSoftware}, lanes: ${device.subgroupLanes}`,
  );
  const model = new Sequential([
    new Conv2D({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1] }),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 2, activation: 'softmax' }),
  ]).build(device, { seed: 1 });
  model.compile({ optimizer: new Adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy' });
  const { epochs } = await model.fit(drawImages(256), { epochs: 3, batchSize: 32 });
  for (const { epoch, loss, accuracy } of epochs) await report(`epoch ${epoch}: loss ${loss}, accuracy ${accuracy}`);
  device.dispose();
  if (!(epochs[2].loss < epochs[0].loss)) throw new Error('the loss did not go down');
}

train().then(
  () => report('done'),
  (error) => report(`failed: ${error.stack}`),
);
