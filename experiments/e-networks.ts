import type { Network, Reduced, Settings } from '../src/cli/experiment.ts';
import {
  Adam,
  Conv2D,
  Dense,
  Flatten,
  GlobalAveragePooling2D,
  type Layer,
  MaxPooling2D,
  type Optimizer,
  Sequential,
} from '../src/index.ts';

// The five architectures of coursework E.

const image = { inputShape: [28, 28, 1] };

/**
 * The layers of the five architectures by name, with `relu` as published or with `sigmoid`. The last convolution of cnn3 has no
 * activation in the coursework. The MLPs begin with a `Flatten`.
 */
const architectures = {
  mlp1: (activation) => [
    new Flatten(image),
    new Dense({ units: 64, activation }),
    new Dense({ units: 5, activation: 'softmax' }),
  ],
  mlp2: (activation) => [
    new Flatten(image),
    new Dense({ units: 16, activation }),
    new Dense({ units: 64, useBias: false }),
    new Dense({ units: 5, activation: 'softmax' }),
  ],
  cnn3: (activation) => [
    new Conv2D({ filters: 16, kernelSize: 3, activation, ...image }),
    new Conv2D({ filters: 8, kernelSize: 7, activation }),
    new MaxPooling2D({ poolSize: 2 }),
    new Conv2D({ filters: 16, kernelSize: 5 }),
    new MaxPooling2D({ poolSize: 2 }),
    new GlobalAveragePooling2D(),
    new Dense({ units: 5, activation: 'softmax' }),
  ],
  cnn4: (activation) => [
    new Conv2D({ filters: 16, kernelSize: 3, activation, ...image }),
    new Conv2D({ filters: 8, kernelSize: 5, activation }),
    new Conv2D({ filters: 8, kernelSize: 3, activation }),
    new MaxPooling2D({ poolSize: 2 }),
    new Conv2D({ filters: 16, kernelSize: 5, activation }),
    new MaxPooling2D({ poolSize: 2 }),
    new GlobalAveragePooling2D(),
    new Dense({ units: 5, activation: 'softmax' }),
  ],
  cnn5: (activation) => [
    new Conv2D({ filters: 16, kernelSize: 3, activation, ...image }),
    new Conv2D({ filters: 8, kernelSize: 3, activation }),
    new Conv2D({ filters: 8, kernelSize: 3, activation }),
    new Conv2D({ filters: 8, kernelSize: 3, activation }),
    new MaxPooling2D({ poolSize: 2 }),
    new Conv2D({ filters: 16, kernelSize: 3, activation }),
    new Conv2D({ filters: 16, kernelSize: 3, activation }),
    new MaxPooling2D({ poolSize: 2 }),
    new GlobalAveragePooling2D(),
    new Dense({ units: 5, activation: 'softmax' }),
  ],
} satisfies Record<string, (activation: 'relu' | 'sigmoid') => Layer[]>;

export type Architecture = keyof typeof architectures;
export const names = Object.keys(architectures) as Architecture[];

/** Learning rate of the coursework's Adam. */
export const rate = 0.01;

/** Returns one of the five networks, compiled as in the coursework. */
export const network = (
  name: Architecture,
  activation: 'relu' | 'sigmoid' = 'relu',
  optimizer: () => Optimizer = () => new Adam({ learningRate: rate }),
): Network => ({
  createModel: () => new Sequential(architectures[name](activation), name),
  compile: () => ({ optimizer: optimizer(), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] }),
});

/** Settings of the smoke scale, for tests. */
export const smoke = { limit: 400, testLimit: 200, replicas: 2, epochs: 1 } satisfies Reduced<Settings>;
