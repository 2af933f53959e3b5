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

/** Draws from [0, 1). */
export type Random = () => number;

const between = (random: Random, low: number, high: number) => low + Math.floor(random() * (high - low + 1));
const numbers = (random: Random, length: number) => Float32Array.from({ length }, () => random() - 0.5);

const optimizers = [
  () => new Adam(),
  () => new SGD({ learningRate: 0.001, momentum: 0.9 }),
  () => new RMSprop({ globalClipNorm: 1 }),
];

/** A network on images of a drawn size: trained, evaluated, asked for outputs, trained on batches of other sizes, disposed. */
async function images(device: Device, random: Random): Promise<void> {
  const side = 4 * between(random, 2, 8);
  const shape: [number, number, number] = [side, side, between(random, 1, 4)];
  const samples = between(random, 20, 300);
  const loader = new ImageLoader(device, noise(samples, shape));
  const layers: Layer[] = [
    new Conv2D({ filters: between(random, 1, 24), kernelSize: 3, activation: 'relu', inputShape: shape }),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: between(random, 4, 256), activation: 'relu' }),
    new Dropout(0.2),
    new Dense({ units: 10, activation: 'softmax' }),
  ];
  const model = new Sequential(layers).build(device, { replicas: between(random, 1, 2) });
  const optimizer = optimizers[between(random, 0, 2)]!();
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['f1'] });
  const batchSize = between(random, 4, Math.floor(0.7 * samples));
  await model.fit(loader, { epochs: 2, batchSize, validationData: loader });
  await model.evaluate(loader, { batchSize });
  await model.predict(loader);
  model.dispose();
  loader.dispose();
}

/** A network on numbers: wide layers, batches of newly drawn sizes. */
async function tables(device: Device, random: Random): Promise<void> {
  const inputs = between(random, 1, 2000);
  const model = new Sequential([
    new Dense({
      units: between(random, 1, 2000),
      activation: 'relu',
      inputShape: [inputs],
      kernelInitializer: 'zeros',
    }),
    new Dense({ units: 1 }),
  ]).build(device);
  model.compile({ optimizer: optimizers[between(random, 0, 2)]!(), loss: 'meanSquaredError' });
  for (let i = 0; i < 6; i++) {
    const batch = between(random, 1, 64);
    await model.trainOnBatch(numbers(random, batch * inputs), numbers(random, batch));
  }
  model.dispose();
}

/** Tensors by hand, with gradients that are forgotten in all the ways there are, of up to 100 MB. */
async function tensors(device: Device, random: Random): Promise<void> {
  const [rows, columns, out] = [between(random, 1, 2000), between(random, 1, 2000), between(random, 1, 500)];
  const weight = tensor(device, numbers(random, columns * out), [columns, out], { requiresGrad: true });
  const step = (x: Tensor) => mean(square(relu(linear(x, weight))));
  for (let i = 0; i < 3; i++) {
    scope(device, () => {
      const x = tensor(device, numbers(random, rows * columns), [rows, columns], { requiresGrad: true });
      step(x).backward();
    });
    if (i === 1) weight.grad = null;
  }
  using loss = scope(device, () => step(tensor(device, numbers(random, rows * columns), [rows, columns])));
  await loss.item();
  weight.dispose();
}

/** The kinds of rounds, which a soak takes in turns. */
export const rounds = { images, tables, tensors };
