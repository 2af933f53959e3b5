// A layer of your own: a dense layer whose weights are normalized (Salimans and Kingma 2016, https://arxiv.org/abs/1602.07868).
// The tape computes the gradients of everything that `call` computes.
import {
  Adam,
  add,
  Dense,
  div,
  Flatten,
  ImageLoader,
  Layer,
  loadDataset,
  matmul,
  mul,
  openDevice,
  relu,
  Sequential,
  sqrt,
  square,
  sum,
} from 'tilegrad/node';

const device = await openDevice();
const { train, test } = await loadDataset('mnist');

/** Outputs x (gain v / |v|) + bias: `gain` is the length of each column of weights, `v` its direction. */
class WeightNormDense extends Layer {
  kind = 'WeightNormDense';
  constructor({ units, ...options }) {
    super(options);
    this.units = units;
  }
  /** Says what the layer makes of an input shape (without the batch), and which weights it has. */
  plan([features]) {
    const { units } = this;
    const weights = [
      { name: 'v', shape: [features, units], initializer: 'glorotUniform' },
      { name: 'gain', shape: [1, units], initializer: 'ones' },
      { name: 'bias', shape: [1, units], initializer: 'zeros' },
    ];
    return { outputShape: [units], weights };
  }
  call(x, { weights: [v, gain, bias] }) {
    const length = sqrt(sum(square(v), { axis: 0, keepDims: true }));
    return relu(add(matmul(x, mul(v, div(gain, length))), bias));
  }
}

const model = new Sequential([
  new Flatten({ inputShape: [28, 28, 1] }),
  new WeightNormDense({ units: 32 }),
  new Dense({ units: 10, activation: 'softmax' }),
]).build(device, { seed: 1 });
model.compile({ optimizer: new Adam({ learningRate: 0.003 }), loss: 'sparseCategoricalCrossentropy' });
console.log(model.summary());
await model.fit(new ImageLoader(device, train), { epochs: 3, batchSize: 64 });
const { accuracy } = await model.evaluate(new ImageLoader(device, test));
console.log(`test accuracy: ${accuracy.toFixed(4)}`);
device.dispose();
