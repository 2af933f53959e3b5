// The MLP of own-loop.mjs with jax-js: see `--peers` of check-size.mjs.
import { defaultDevice, init, jit, nn, numpy as np, valueAndGrad } from '@jax-js/jax';

export async function train(x, y, { steps = 100, rate = 0.1 } = {}) {
  await init('webgpu');
  defaultDevice('webgpu');
  const randomMatrix = (n, m) =>
    np.array(Float32Array.from({ length: n * m }, () => (Math.random() - 0.5) / Math.sqrt(n))).reshape([n, m]);
  const lossOf = (weights, inputs, labels) => {
    const [w1, b1, w2, b2] = weights;
    const logits = np.matmul(nn.relu(np.matmul(inputs, w1).add(b1)), w2).add(b2);
    return nn
      .logSoftmax(logits)
      .mul(labels)
      .sum()
      .mul(-1 / y.length);
  };
  const step = jit((weights, inputs, labels) => {
    const [loss, grads] = valueAndGrad(lossOf)(
      weights.map((w) => w.ref),
      inputs,
      labels,
    );
    return [weights.map((w, i) => w.sub(grads[i].mul(rate))), loss];
  });
  let weights = [randomMatrix(784, 64), np.zeros([64]), randomMatrix(64, 10), np.zeros([10])];
  const inputs = np.array(x).reshape([y.length, 784]);
  const labels = nn.oneHot(np.array(Int32Array.from(y)), 10);
  const losses = [];
  for (let i = 0; i < steps; i++) {
    const [next, loss] = step(weights, inputs.ref, labels.ref);
    weights = next;
    losses.push(await loss.jsAsync());
  }
  return losses;
}
