// jax-js with its WebGPU backend: one jitted step (loss, gradients, Adam), whose loss is read back each time, since what
// nobody reads jax-js may never run. Images are [N,C,H,W] as its convolutions want them.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { openNavigator, serve } from './engine.mjs';

await openNavigator();
const { init, defaultDevice, jit, lax, nn, numpy: np, random, tree, valueAndGrad } = await import('@jax-js/jax');
if (!(await init('webgpu')).includes('webgpu')) throw new Error('jax-js found no WebGPU adapter');
defaultDevice('webgpu');

const RATE = 0.001;
const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-7];

/** Kernels as this layout has them, zero biases; batch normalisation's gamma and beta. */
function parametersOf(workload, kernels, shapes) {
  const parameters = [];
  let used = 0;
  let width = 0;
  for (const layer of workload.layers) {
    if (layer.kind === 'conv') {
      const kernel = np.array(kernels[used]).reshape(shapes[used++]);
      parameters.push(np.transpose(kernel, [3, 2, 0, 1]), np.zeros([layer.filters]));
    } else if (layer.kind === 'dense') {
      width = layer.units;
      parameters.push(np.array(kernels[used]).reshape(shapes[used++]), np.zeros([width]));
    } else if (layer.kind === 'batchNorm') parameters.push(np.ones([width]), np.zeros([width]));
  }
  return parameters;
}

/** Consumes x, leaves the parameters. In training also the sum of squares of the kernels, for the penalty. */
function forward(workload, parameters, x, { dropout = 0, key = null } = {}) {
  let used = 0;
  const next = () => parameters[used++].ref;
  const kernels = [];
  let y = x;
  let drawn = 0;
  for (const layer of workload.layers) {
    if (layer.kind === 'conv') {
      const [kernel, bias] = [next(), next()];
      y = lax.conv(y, kernel, [1, 1], layer.padding.toUpperCase());
      y = nn.relu(y.add(bias.reshape([1, layer.filters, 1, 1])));
    } else if (layer.kind === 'pool') {
      y = lax.reduceWindow(y, np.max, [2, 2], [2, 2]);
    } else if (layer.kind === 'flatten') {
      const [n, ...rest] = y.shape;
      y = np.transpose(y, [0, 2, 3, 1]).reshape([n, rest.reduce((product, size) => product * size, 1)]);
    } else if (layer.kind === 'dense') {
      const [kernel, bias] = [next(), next()];
      kernels.push(kernel.ref);
      y = np.matmul(y, kernel).add(bias);
      if (layer.relu) y = nn.relu(y);
    } else if (layer.kind === 'batchNorm') {
      const [gamma, beta] = [next(), next()];
      const centred = y.ref.sub(np.mean(y, 0, { keepdims: true }));
      const variance = np.mean(np.square(centred.ref), 0, { keepdims: true });
      y = centred
        .div(np.sqrt(variance.add(1e-3)))
        .mul(gamma)
        .add(beta);
    } else if (layer.kind === 'leakyRelu') {
      y = nn.leakyRelu(y, 0.3);
    } else if (dropout > 0) {
      const mask = random.bernoulli(key.ref.slice(drawn++), 1 - dropout, y.shape);
      y = np.where(mask, y.mul(1 / (1 - dropout)), 0);
    }
  }
  key?.dispose();
  return { logits: y, kernels };
}

/** A step: [parameters, first moments, second moments, step number, loss]. */
function stepOf(workload, dropout) {
  const lossOf = (parameters, x, y, key) => {
    const { logits, kernels } = forward(workload, parameters, x, { dropout, key: dropout > 0 ? key : null });
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
            .div(np.sqrt(b.div(scale2.ref)).add(EPSILON)),
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

function trainer(workload, parameters, x, y, dropout) {
  const step = stepOf(workload, dropout);
  const zeros = (p) => np.zeros(p.shape);
  let state = [parameters, parameters.map(zeros), parameters.map(zeros), np.array(0)];
  let seed = 0;
  return async () => {
    const keys = dropout > 0 ? [random.split(random.key(seed++), workload.layers.length)] : [];
    const [p, m, v, t, loss] = step(...state, x.ref, y.ref, ...keys);
    state = [p, m, v, t];
    return (await loss.data())[0];
  };
}

/** [N,H,W,C] bytes as [N,C,H,W] floats in 0 .. 1. */
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
    const parameters = parametersOf(workload, kernels, shapes);
    const network = jit((p, x) => {
      const { logits, kernels: used } = forward(workload, p, x);
      tree.dispose([p, used]);
      return nn.softmax(logits);
    });
    const stride = sample.reduce((product, n) => product * n, 1);
    const batches = Array.from({ length: size / batch }, (_, i) =>
      imagesOf(images.subarray(i * batch * stride, (i + 1) * batch * stride), sample),
    );
    const predict = (x) => network(tree.ref(parameters), x.ref).data();
    return {
      check: Array.from((await predict(batches[0])).slice(0, 160)),
      async run(runs) {
        for (let i = 0; i < runs; i++) for (const x of batches) await predict(x);
      },
    };
  }
  const x = imagesOf(images, sample);
  const hot = new Float32Array(10 * batch);
  labels.forEach((label, i) => {
    hot[10 * i + label] = 1;
  });
  const y = np.array(hot).reshape([batch, 10]);
  const checked = trainer(workload, parametersOf(workload, kernels, shapes), x, y, 0);
  const check = [];
  for (let i = 0; i < workload.stepsChecked; i++) check.push(await checked());
  const step = trainer(workload, parametersOf(workload, kernels, shapes), x, y, dropout);
  return {
    check,
    async run(runs) {
      for (let i = 0; i < runs; i++) await step();
    },
  };
});
