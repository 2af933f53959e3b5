// TensorFlow.js with its WebGPU backend: a layers model, `trainOnBatch` (which reads each step's loss) and `predictOnBatch`.
import { createRequire } from 'node:module';
import { openNavigator, serve } from './engine.mjs';

await openNavigator();
const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-core');
const layers = require('@tensorflow/tfjs-layers');
require('@tensorflow/tfjs-backend-webgpu');
if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs found no WebGPU adapter');
await tf.ready();

function build(workload, kernels, dropout) {
  const regularizer = () => (workload.l2 ? layers.regularizers.l2({ l2: workload.l2 }) : undefined);
  const model = layers.sequential();
  workload.layers.forEach((layer, i) => {
    const inputShape = i === 0 ? { inputShape: workload.sample } : {};
    const common = { ...inputShape, kernelRegularizer: regularizer() };
    if (layer.kind === 'conv') {
      const { filters, size: kernelSize, padding } = layer;
      model.add(layers.layers.conv2d({ filters, kernelSize, padding, activation: 'relu', ...common }));
    } else if (layer.kind === 'pool') model.add(layers.layers.maxPooling2d({ poolSize: 2 }));
    else if (layer.kind === 'flatten') model.add(layers.layers.flatten(inputShape));
    else if (layer.kind === 'dense') {
      model.add(layers.layers.dense({ units: layer.units, activation: layer.relu ? 'relu' : 'linear', ...common }));
    } else if (layer.kind === 'batchNorm') model.add(layers.layers.batchNormalization());
    else if (layer.kind === 'leakyRelu') model.add(layers.layers.leakyReLU({ alpha: 0.3 }));
    else if (dropout > 0) model.add(layers.layers.dropout({ rate: dropout }));
  });
  let used = 0;
  for (const layer of model.layers) {
    if (!/^(conv2d|dense)/.test(layer.name)) continue;
    const [kernel, bias] = layer.getWeights();
    layer.setWeights([tf.tensor(kernels[used++], kernel.shape), tf.zeros(bias.shape)]);
  }
  model.compile({
    optimizer: tf.train.adam(0.001, 0.9, 0.999, 1e-7),
    loss: (labels, logits) => tf.losses.softmaxCrossEntropy(labels, logits),
  });
  return model;
}

const pixels = (images) => Float32Array.from(images, (byte) => byte / 255);

async function gemm(size, matrices) {
  const [a, b] = matrices.map((values) => tf.tensor2d(values, [size, size]));
  const c = tf.matMul(a, b);
  const check = Array.from((await c.data()).slice(0, 64));
  c.dispose();
  return {
    check,
    async run(runs) {
      for (let i = 0; i < runs; i++) {
        const product = tf.matMul(a, b);
        if (i === runs - 1) await tf.tidy(() => tf.slice(product, [0, 0], [1, 1])).data();
        product.dispose();
      }
    },
  };
}

await serve(tf.version_core, async (workload, { images, labels, kernels }) => {
  const { what, batch, size, sample, dropout } = workload;
  tf.disposeVariables();
  if (what === 'gemm') return gemm(size, kernels);
  const stride = sample.reduce((product, n) => product * n, 1);
  if (what === 'predict') {
    const model = build(workload, kernels, 0);
    const batches = Array.from({ length: size / batch }, (_, i) =>
      tf.tensor(pixels(images.subarray(i * batch * stride, (i + 1) * batch * stride)), [batch, ...sample]),
    );
    const predict = async (x) => {
      const y = tf.tidy(() => tf.softmax(model.predictOnBatch(x)));
      const values = await y.data();
      y.dispose();
      return values;
    };
    const check = Array.from((await predict(batches[0])).slice(0, 160));
    return {
      check,
      async run(runs) {
        for (let i = 0; i < runs; i++) for (const x of batches) await predict(x);
      },
    };
  }
  const x = tf.tensor(pixels(images), [batch, ...sample]);
  const y = tf.oneHot(tf.tensor1d(labels, 'int32'), 10);
  const checked = build(workload, kernels, 0);
  const check = [];
  for (let i = 0; i < workload.stepsChecked; i++) check.push(await checked.trainOnBatch(x, y));
  checked.dispose();
  const timed = build(workload, kernels, dropout);
  return {
    check,
    async run(runs) {
      for (let i = 0; i < runs; i++) await timed.trainOnBatch(x, y);
    },
  };
});
