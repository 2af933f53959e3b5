// The MLP of mlp.mjs with TensorFlow.js: see `--peers` of check-size.mjs.
import '@tensorflow/tfjs-backend-webgpu';
import { train as optimizers, ready, setBackend, tensor } from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';

export async function train(x, y, { epochs = 3 } = {}) {
  await setBackend('webgpu');
  await ready();
  const model = sequential({
    layers: [
      layers.flatten({ inputShape: [28, 28, 1] }),
      layers.dense({ units: 64, activation: 'relu' }),
      layers.dense({ units: 10, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: optimizers.adam(0.003), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  const inputs = tensor(x, [y.length, 28, 28, 1]);
  const labels = tensor(Float32Array.from(y), [y.length, 1]);
  const { history } = await model.fit(inputs, labels, { epochs, batchSize: 64 });
  return { losses: history.loss, measured: await model.evaluate(inputs, labels) };
}
