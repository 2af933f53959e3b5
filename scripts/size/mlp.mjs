// An MLP of layers: compiled, trained and evaluated.
import { Adam, Dense, Device, Flatten, Sequential } from 'tilegrad';

/** @param {Float32Array} x [samples, 28, 28, 1] @param {Uint32Array} y [samples] */
export async function train(x, y, { gpu = navigator.gpu, epochs = 3, seed = 1 } = {}) {
  const device = await Device.open(gpu);
  const model = new Sequential([
    new Flatten({ inputShape: [28, 28, 1] }),
    new Dense({ units: 64, activation: 'relu' }),
    new Dense({ units: 10, activation: 'softmax' }),
  ]).build(device, { seed });
  model.compile({ optimizer: new Adam({ learningRate: 0.003 }), loss: 'sparseCategoricalCrossentropy' });
  const { epochs: logs } = await model.fit({ x, y }, { epochs, batchSize: 64, seed });
  const measured = await model.evaluate({ x, y });
  device.dispose();
  return { losses: logs.map(({ loss }) => loss), measured };
}
