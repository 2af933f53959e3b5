// A training loop and a loss of your own: the focal loss (Lin et al. 2017, https://arxiv.org/abs/1708.02002), which gives well-classified samples less weight.
import {
  Adam,
  compileStep,
  Dense,
  Flatten,
  ImageLoader,
  loadDataset,
  log,
  mean,
  mul,
  neg,
  oneHot,
  openDevice,
  Sequential,
  square,
  sub,
  sum,
} from 'tilegrad/node';

const device = await openDevice();
const { train, test } = await loadDataset('mnist');
const model = new Sequential([
  new Flatten({ inputShape: [28, 28, 1] }),
  new Dense({ units: 32, activation: 'relu' }),
  new Dense({ units: 10, activation: 'softmax' }),
]).build(device, { seed: 1 });
const optimizer = new Adam({ learningRate: 0.003, parameters: model.parameters });

/** -(1 - p)^2 log p, where p is the probability of the right class. */
function focalLoss(outputs, labels) {
  const p = sum(mul(outputs, oneHot(labels, 10)), { axis: 1 });
  return mean(neg(mul(square(sub(1, p)), log(p))));
}

// A training step. `compileStep` records it once, and then runs it as fast as `fit`; without `compileStep` the results are the same, but slower.
const step = compileStep(device, (x, y) => {
  const loss = focalLoss(model.call(x, { training: true }), y);
  loss.backward();
  optimizer.step();
  optimizer.clearGrad();
  return loss;
});

const BATCH = 50;
const pixels = 28 * 28;
for (let epoch = 1; epoch <= 3; epoch++) {
  let loss;
  for (let from = 0; from + BATCH <= train.size; from += BATCH) {
    const images = Float32Array.from(
      train.images.subarray(from * pixels, (from + BATCH) * pixels),
      (byte) => byte / 255,
    );
    const labels = Uint32Array.from(train.labels.subarray(from, from + BATCH));
    loss = step({ shape: [BATCH, 28, 28, 1], data: images }, labels);
  }
  console.log(`epoch ${epoch}: loss ${(await loss.item()).toFixed(4)}`);
}
model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' }); // for `evaluate`
const { accuracy } = await model.evaluate(new ImageLoader(device, test));
console.log(`test accuracy: ${accuracy.toFixed(4)}`);
device.dispose();
