import type { Network } from '../src/cli/experiment.ts';
import { Adam, Conv2D, Dense, Flatten, MaxPooling2D, type Regularizer, Sequential } from '../src/index.ts';

/** The seed's create_baseline_model and create_regularized_model: LeNet-5, with a penalty on every kernel where one is given. */
export const lenet = (kernelRegularizer?: Regularizer): Network => ({
  createModel: () =>
    new Sequential([
      new Conv2D({ filters: 6, kernelSize: 5, activation: 'relu', inputShape: [32, 32, 3], kernelRegularizer }),
      new MaxPooling2D({ poolSize: 2 }),
      new Conv2D({ filters: 16, kernelSize: 5, activation: 'relu', kernelRegularizer }),
      new MaxPooling2D({ poolSize: 2 }),
      new Flatten(),
      new Dense({ units: 120, activation: 'relu', kernelRegularizer }),
      new Dense({ units: 84, activation: 'relu', kernelRegularizer }),
      new Dense({ units: 10, activation: 'softmax', kernelRegularizer }),
    ]),
  compile: () => ({ optimizer: new Adam(), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] }),
});
