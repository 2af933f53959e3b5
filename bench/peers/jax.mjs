// jax-js with its WebGPU backend: one jitted step (loss, gradients, Adam). Its loss is read back each time, because jax-js may skip
// work whose result is not read. Images are [N,C,H,W], the layout of its convolutions.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { openNavigator, serve } from './engine.mjs';

await openNavigator();
const { init, defaultDevice, jit, lax, nn, numpy: np, random, tree, valueAndGrad } = await import('@jax-js/jax');
if (!(await init('webgpu')).includes('webgpu')) throw new Error('jax-js found no WebGPU adapter');
defaultDevice('webgpu');

const RATE = 0.001;
const [BETA1, BETA2] = [0.9, 0.999];

/** Returns the parameters of each layer: kernels in this layout and zero biases, or gamma and beta of a batch normalization. */
function parametersOf(workload, kernels, shapes) {
  let used = 0;
  let width = 0;
  const parametersOfLayer = (layer) => {
    const kernel = () => np.array(kernels[used]).reshape(shapes[used++]);
    if (layer.kind === 'conv') {
      width = layer.filters;
      const filter = np.transpose(kernel(), [3, 2, 0, 1]);
      return layer.plain ? [filter] : [filter, np.zeros([width])];
    }
    if (layer.kind === 'depthwise') return [np.transpose(kernel(), [2, 3, 0, 1])];
    if (layer.kind === 'dense') {
      width = layer.units;
      return [kernel(), np.zeros([width])];
    }
    if (layer.kind === 'batchNorm') return [np.ones([width]), np.zeros([width])];
    return layer.kind === 'residual' ? layer.layers.flatMap(parametersOfLayer) : [];
  };
  return workload.layers.map(parametersOfLayer);
}

/** Batch normalization over all axes except the second one, the channels; with mean 0 and variance 1 unless in training. */
function batchNorm(y, gamma, beta, training) {
  const axes = y.shape.map((_, d) => d).filter((d) => d !== 1);
  const perChannel = (x) => x.reshape(axes.reduce((shape, d) => shape.with(d, 1), [...y.shape]));
  const [scale, offset] = [perChannel(gamma), perChannel(beta)];
  if (!training)
    return y
      .mul(1 / Math.sqrt(1 + 1e-3))
      .mul(scale)
      .add(offset);
  const centered = y.ref.sub(np.mean(y, axes, { keepdims: true }));
  const variance = np.mean(np.square(centered.ref), axes, { keepdims: true });
  return centered
    .div(np.sqrt(variance.add(1e-3)))
    .mul(scale)
    .add(offset);
}

/** Returns [from, to] with the weights of each output pixel in a column: bilinear interpolation with half-pixel centers. */
function resizeMatrix(from, to) {
  const matrix = new Float32Array(from * to);
  for (let i = 0; i < to; i++) {
    const position = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.floor(position);
    matrix[low * to + i] += 1 - (position - low);
    matrix[Math.min(low + 1, from - 1) * to + i] += position - low;
  }
  return np.array(matrix).reshape([from, to]);
}

/** Returns the logits, and the dense kernels for the penalty. Consumes x, but not the parameters. */
function forward(list, parameters, x, { dropout = 0, key = null, training = false } = {}) {
  let used = 0;
  const next = () => parameters[used++].ref;
  const kernels = [];
  let drawn = 0;
  const applyAll = (layers, input) => layers.reduce((y, layer) => apply(layer, y), input);
  const apply = (layer, y) => {
    if (layer.kind === 'conv') {
      const z = lax.convGeneralDilated(y, next(), [layer.strides, layer.strides], layer.padding.toUpperCase());
      return layer.plain ? z : nn.relu(z.add(next().reshape([1, layer.filters, 1, 1])));
    }
    if (layer.kind === 'depthwise') {
      const strides = [layer.strides, layer.strides];
      return lax.convGeneralDilated(y, next(), strides, 'SAME', { featureGroupCount: y.shape[1] });
    }
    if (layer.kind === 'residual') return applyAll(layer.layers, y.ref).add(y);
    if (layer.kind === 'pool') return lax.reduceWindow(y, np.max, [2, 2], [2, 2]);
    if (layer.kind === 'globalPool') return np.mean(y, [2, 3]);
    if (layer.kind === 'flatten') {
      const [n, ...rest] = y.shape;
      return np.transpose(y, [0, 2, 3, 1]).reshape([n, rest.reduce((product, size) => product * size, 1)]);
    }
    if (layer.kind === 'dense') {
      const [kernel, bias] = [next(), next()];
      kernels.push(kernel.ref);
      const z = np.matmul(y, kernel).add(bias);
      return layer.relu ? nn.relu(z) : z;
    }
    if (layer.kind === 'batchNorm') return batchNorm(y, next(), next(), training);
    if (layer.kind === 'leakyRelu') return nn.leakyRelu(y, 0.3);
    if (layer.kind === 'relu6') return np.minimum(nn.relu(y), 6);
    if (layer.kind === 'rescale') return y.mul(layer.scale).add(layer.offset);
    if (layer.kind === 'resize') {
      // A product from the right resizes columns and, after a transposition, rows; images are squares.
      const columns = (z) => np.transpose(np.matmul(z, resizeMatrix(side, layer.side)), [0, 1, 3, 2]);
      const side = y.shape[3];
      return columns(columns(y));
    }
    if (layer.kind !== 'dropout' || dropout === 0) return y;
    const rate = layer.rate ?? dropout;
    const mask = random.bernoulli(key.ref.slice(drawn++), 1 - rate, y.shape);
    return np.where(mask, y.mul(1 / (1 - rate)), 0);
  };
  const logits = applyAll(list, x);
  key?.dispose();
  return { logits, kernels };
}

/** Returns a step, which returns [parameters, first moments, second moments, step number, loss]. */
function createStep(workload, list, dropout, sgd) {
  const lossOf = (parameters, x, y, key) => {
    const options = { dropout, key: dropout > 0 ? key : null, training: true };
    const { logits, kernels } = forward(list, parameters, x, options);
    let loss = np.sum(nn.logSoftmax(logits).mul(y)).mul(-1 / workload.batch);
    for (const kernel of kernels) {
      if (workload.l2 > 0) loss = loss.add(np.sum(np.square(kernel)).mul(workload.l2));
      else kernel.dispose();
    }
    tree.dispose(parameters);
    return loss;
  };
  return jit((parameters, m, v, t, x, y, key) => {
    const arguments_ = dropout > 0 ? [x, y, key] : [x, y];
    const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(parameters), ...arguments_);
    const step = t.add(1);
    if (sgd !== null) return [tree.map((p, g) => p.sub(g.mul(sgd)), parameters, gradients), m, v, step, loss];
    const scale1 = np.subtract(1, np.exp(step.ref.mul(Math.log(BETA1))));
    const scale2 = np.subtract(1, np.exp(step.ref.mul(Math.log(BETA2))));
    const m2 = tree.map((a, g) => a.mul(BETA1).add(g.mul(1 - BETA1)), m, tree.ref(gradients));
    const v2 = tree.map((a, g) => a.mul(BETA2).add(np.square(g).mul(1 - BETA2)), v, gradients);
    const next = tree.map(
      (p, a, b) =>
        p.sub(
          a
            .div(scale1.ref)
            .mul(RATE)
            .div(np.sqrt(b.div(scale2.ref)).add(1e-7)),
        ),
      parameters,
      tree.ref(m2),
      tree.ref(v2),
    );
    scale1.dispose();
    scale2.dispose();
    return [next, m2, v2, step, loss];
  });
}

/** Returns a function that runs the layers for inference, and does not consume the parameters and x. */
function createInference(list, after = (y) => y) {
  const network = jit((p, x) => {
    const { logits, kernels } = forward(list, p, x);
    tree.dispose([p, kernels]);
    return after(logits);
  });
  return (p, x) => network(tree.ref(p), x.ref);
}

/** Returns a training step with the workload's optimizer. Frozen layers before `trainFrom` are computed separately. */
function createTrainer(workload, byLayer, x, y, dropout, sgd = null) {
  const { layers } = workload;
  const first = Math.max(
    0,
    layers.findIndex(({ kind }) => kind === 'trainFrom'),
  );
  const features = first > 0 ? createInference(layers.slice(0, first)) : (_, pixels) => pixels.ref;
  const fixed = byLayer.slice(0, first).flat();
  const parameters = byLayer.slice(first).flat();
  const step = createStep(workload, layers.slice(first), dropout, sgd);
  const zeros = (p) => np.zeros(p.shape);
  let state = [parameters, parameters.map(zeros), parameters.map(zeros), np.array(0)];
  let seed = 0;
  return async () => {
    const keys = dropout > 0 ? [random.split(random.key(seed++), layers.length)] : [];
    const [p, m, v, t, loss] = step(...state, features(fixed, x), y.ref, ...keys);
    state = [p, m, v, t];
    return (await loss.data())[0];
  };
}

/** Converts [N,H,W,C] bytes to [N,C,H,W] floats in 0..1. */
function imagesOf(bytes, [h, w, c]) {
  const n = bytes.length / (h * w * c);
  const values = np.array(Float32Array.from(bytes, (byte) => byte / 255)).reshape([n, h, w, c]);
  return np.transpose(values, [0, 3, 1, 2]);
}

const packageOf = createRequire(import.meta.url)
  .resolve('@jax-js/jax')
  .replace(/dist.*$/, 'package.json');
const { version } = JSON.parse(readFileSync(packageOf, 'utf8'));

await serve(version, async (workload, { images, labels, kernels }, shapes) => {
  const { what, batch, size, sample, dropout } = workload;
  if (what === 'gemm') {
    const [a, b] = kernels.map((values) => np.array(values).reshape([size, size]));
    const product = jit((left, right) => np.matmul(left, right));
    return {
      check: Array.from((await product(a.ref, b.ref).data()).slice(0, 64)),
      async run(runs) {
        for (let i = 0; i < runs; i++) {
          const c = product(a.ref, b.ref);
          await c.blockUntilReady();
          c.dispose();
        }
      },
    };
  }
  if (what === 'predict') {
    const parameters = parametersOf(workload, kernels, shapes).flat();
    const network = createInference(workload.layers, nn.softmax);
    const stride = sample.reduce((product, n) => product * n, 1);
    const batches = Array.from({ length: size / batch }, (_, i) =>
      imagesOf(images.subarray(i * batch * stride, (i + 1) * batch * stride), sample),
    );
    const predict = (x) => network(parameters, x).data();
    return {
      check: Array.from((await predict(batches[0])).slice(0, 160)),
      async run(runs) {
        for (let i = 0; i < runs; i++) for (const x of batches) await predict(x);
      },
    };
  }
  const x = imagesOf(images, sample);
  const oneHot = new Float32Array(10 * batch);
  labels.forEach((label, i) => {
    oneHot[10 * i + label] = 1;
  });
  const y = np.array(oneHot).reshape([batch, 10]);
  const checked = createTrainer(workload, parametersOf(workload, kernels, shapes), x, y, 0, workload.sgdChecked);
  const check = [];
  for (let i = 0; i < workload.stepsChecked; i++) check.push(await checked());
  const step = createTrainer(workload, parametersOf(workload, kernels, shapes), x, y, dropout);
  return {
    check,
    async run(runs) {
      for (let i = 0; i < runs; i++) await step();
    },
  };
});
