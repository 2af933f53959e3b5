// A small network of convolutions.
import { Adam, Conv2D, Dense, Device, Flatten, MaxPooling2D, Sequential } from 'tilegrad';

/** @param {Float32Array} x [samples, 28, 28, 1] @param {Uint32Array} y [samples] */
export async function train(x, y, { gpu = navigator.gpu, epochs = 3, seed = 1 } = {}) {
  const device = await Device.open(gpu);
  const model = new Sequential([
    new Conv2D({ filters: 6, kernelSize: 5, padding: 'same', activation: 'relu', inputShape: [28, 28, 1] }),
    new MaxPooling2D(),
    new Conv2D({ filters: 16, kernelSize: 5, activation: 'relu' }),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 84, activation: 'relu' }),
    new Dense({ units: 10, activation: 'softmax' }),
  ]).build(device, { seed });
  model.compile({ optimizer: new Adam(), loss: 'sparseCategoricalCrossentropy' });
  const { epochs: logs } = await model.fit({ x, y }, { epochs, batchSize: 64, seed });
  const measured = await model.evaluate({ x, y });
  device.dispose();
  return { losses: logs.map(({ loss }) => loss), measured };
}
