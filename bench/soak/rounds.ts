import {
  Adam,
  Conv2D,
  Dense,
  type Device,
  Dropout,
  Flatten,
  ImageLoader,
  type Layer,
  linear,
  MaxPooling2D,
  mean,
  RMSprop,
  relu,
  Sequential,
  SGD,
  scope,
  square,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { noise } from '../workloads.ts';

/** Returns a random number in [0, 1). */
export type Random = () => number;

const drawInteger = (random: Random, low: number, high: number) => low + Math.floor(random() * (high - low + 1));
const drawNumbers = (random: Random, length: number) => Float32Array.from({ length }, () => random() - 0.5);

const optimizers = [
  () => new Adam(),
  () => new SGD({ learningRate: 0.001, momentum: 0.9 }),
  () => new RMSprop({ globalClipNorm: 1 }),
];

/** Trains, evaluates and disposes a network on images of random size, with predictions in batches of another size. */
async function runImages(device: Device, random: Random): Promise<void> {
  const side = 4 * drawInteger(random, 2, 8);
  const shape: [number, number, number] = [side, side, drawInteger(random, 1, 4)];
  const samples = drawInteger(random, 20, 300);
  const loader = new ImageLoader(device, noise(samples, shape));
  const layers: Layer[] = [
    new Conv2D({ filters: drawInteger(random, 1, 24), kernelSize: 3, activation: 'relu', inputShape: shape }),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: drawInteger(random, 4, 256), activation: 'relu' }),
    new Dropout(0.2),
    new Dense({ units: 10, activation: 'softmax' }),
  ];
  const model = new Sequential(layers).build(device, { replicas: drawInteger(random, 1, 2) });
  const optimizer = optimizers[drawInteger(random, 0, 2)]!();
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['f1'] });
  const batchSize = drawInteger(random, 4, Math.floor(0.7 * samples));
  await model.fit(loader, { epochs: 2, batchSize, validationData: loader });
  await model.evaluate(loader, { batchSize });
  await model.predict(loader);
  model.dispose();
  loader.dispose();
}

/** Trains a network of wide layers on numbers, in batches of random sizes. */
async function runTables(device: Device, random: Random): Promise<void> {
  const inputs = drawInteger(random, 1, 2000);
  const model = new Sequential([
    new Dense({
      units: drawInteger(random, 1, 2000),
      activation: 'relu',
      inputShape: [inputs],
      kernelInitializer: 'zeros',
    }),
    new Dense({ units: 1 }),
  ]).build(device);
  model.compile({ optimizer: optimizers[drawInteger(random, 0, 2)]!(), loss: 'meanSquaredError' });
  for (let i = 0; i < 6; i++) {
    const batch = drawInteger(random, 1, 64);
    await model.trainOnBatch(drawNumbers(random, batch * inputs), drawNumbers(random, batch));
  }
  model.dispose();
}

/** Computes with tensors of up to 100 MB, whose gradients are released in all possible ways. */
async function runTensors(device: Device, random: Random): Promise<void> {
  const [rows, columns, out] = [
    drawInteger(random, 1, 2000),
    drawInteger(random, 1, 2000),
    drawInteger(random, 1, 500),
  ];
  const weight = tensor(device, drawNumbers(random, columns * out), [columns, out], { requiresGrad: true });
  const step = (x: Tensor) => mean(square(relu(linear(x, weight))));
  for (let i = 0; i < 3; i++) {
    scope(device, () => {
      const x = tensor(device, drawNumbers(random, rows * columns), [rows, columns], { requiresGrad: true });
      step(x).backward();
    });
    if (i === 1) weight.grad = null;
  }
  using loss = scope(device, () => step(tensor(device, drawNumbers(random, rows * columns), [rows, columns])));
  await loss.item();
  weight.dispose();
}

/** The kinds of rounds, which a soak runs in turns. */
export const rounds = { images: runImages, tables: runTables, tensors: runTensors };
