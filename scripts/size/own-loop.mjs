// An MLP with one hidden layer, trained by gradient descent in a custom loop.
import { add, Device, linear, mul, noGrad, relu, scope, softmaxCrossEntropy, Tensor, tensor } from 'tilegrad';

const IMAGE = 784;
const HIDDEN = 64;
const CLASSES = 10;

/** @param {Float32Array} x [samples, IMAGE] @param {Uint32Array} y [samples] */
export async function train(x, y, { gpu = navigator.gpu, steps = 100, rate = 0.1 } = {}) {
  const device = await Device.open(gpu);
  const randomMatrix = (rows, columns) => {
    const values = Float32Array.from({ length: rows * columns }, () => (Math.random() - 0.5) / Math.sqrt(rows));
    return tensor(device, values, [rows, columns], { requiresGrad: true });
  };
  const zeros = (n) => tensor(device, new Float32Array(n), [n], { requiresGrad: true });
  let weights = [randomMatrix(IMAGE, HIDDEN), zeros(HIDDEN), randomMatrix(HIDDEN, CLASSES), zeros(CLASSES)];
  const inputs = tensor(device, x, [y.length, IMAGE]);
  const labels = tensor(device, y, [y.length], { dtype: 'u32' });
  const losses = [];
  for (let step = 0; step < steps; step++) {
    const [loss, ...next] = scope(device, () => {
      const [w1, b1, w2, b2] = weights;
      const loss = softmaxCrossEntropy(linear(relu(linear(inputs, w1, b1)), w2, b2), labels);
      loss.backward();
      return [loss, ...noGrad(() => weights.map((w) => new Tensor(add(w, mul(w.grad, -rate)).array, true)))];
    });
    for (const weight of weights) weight.dispose();
    weights = next;
    losses.push(await loss.item());
    loss.dispose();
  }
  device.dispose();
  return losses;
}
