import type { Network, Settings } from '../src/cli/experiment.ts';
import {
  Adam,
  Dense,
  Flatten,
  type Layer,
  mean,
  type Optimizer,
  Sequential,
  square,
  sub,
  type Tensor,
} from '../src/index.ts';

// The networks of coursework D.

/** The original's `my_loss`, (y_true - y_predict)**2 on one-hot targets. Keras reports and minimizes its mean over the ten outputs. */
export const squaredError = (output: Tensor, target: Tensor): Tensor => mean(square(sub(target, output)));

/** Creates a model of dense layers: `hidden` has the units of the hidden relu layers, and ten outputs follow. */
const dense = (inputShape: [number, number, number], hidden: readonly number[], activation: 'relu' | 'softmax') => {
  const layers: Layer[] = [
    ...hidden.map((units) => new Dense({ units, activation: 'relu' })),
    new Dense({ units: 10, activation }),
  ];
  return new Sequential([new Flatten({ inputShape }), ...layers]);
};

const mnist: [number, number, number] = [28, 28, 1];

/** Returns the network of D0 to D4: 32 relu units, relu outputs, squared error. */
export const squaredErrorNetwork = (optimizer: () => Optimizer): Network => ({
  createModel: () => dense(mnist, [32], 'relu'),
  compile: () => ({ optimizer: optimizer(), loss: squaredError, metrics: ['accuracy'] }),
});

/** Returns a classifier of D5 to D10: cross-entropy of integer labels, Adam. @param createModel creates a model with softmax outputs */
export const classifier = (createModel: Network['createModel']): Network => ({
  createModel,
  compile: () => ({ optimizer: new Adam(), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] }),
});

/** Returns a classifier of dense layers. */
export const denseClassifier = (hidden: readonly number[], inputShape = mnist): Network =>
  classifier(() => dense(inputShape, hidden, 'softmax'));

/** Settings of the smoke scale, for tests: seconds for each experiment. */
export const smoke = { epochs: 2, replicas: 2, limit: 320, testLimit: 96 } satisfies Partial<Settings>;
