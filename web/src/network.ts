import {
  Adam,
  Conv2D,
  Dense,
  Flatten,
  type Layer,
  MaxPooling2D,
  type Optimizer,
  RMSprop,
  regularizers,
  Sequential,
  SGD,
} from '../../src/index.ts';
import { SETS } from './sets.ts';
import type { Settings } from './settings.ts';

/** The network of these settings, compiled but not built. */
export function createModel(settings: Settings): Sequential {
  const layers = settings.network === 'lenet5' ? lenet5(settings) : mlp(settings);
  return new Sequential(layers).compile({
    optimizer: createOptimizer(settings),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  }) as Sequential;
}

function createOptimizer({ optimizer, rate: learningRate }: Settings): Optimizer {
  if (optimizer === 'adam') return new Adam({ learningRate });
  if (optimizer === 'rmsprop') return new RMSprop({ learningRate });
  return new SGD({ learningRate, momentum: optimizer === 'momentum' ? 0.9 : 0 });
}

const kernelRegularizer = ({ penalty, strength }: Settings) =>
  penalty === 'none' ? undefined : regularizers[penalty](strength);

/** LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998; images of 28 x 28 are padded to 32 x 32. */
function lenet5(settings: Settings): Layer[] {
  const { activation } = settings;
  const { shape, classes } = SETS[settings.data];
  const common = { activation, kernelRegularizer: kernelRegularizer(settings) };
  const padding = shape[0] === 28 ? 'same' : 'valid';
  return [
    new Conv2D({ filters: 6, kernelSize: 5, padding, inputShape: shape, ...common }),
    new MaxPooling2D(),
    new Conv2D({ filters: 16, kernelSize: 5, ...common }),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 120, ...common }),
    new Dense({ units: 84, ...common }),
    new Dense({ units: classes.length, activation: 'softmax', kernelRegularizer: common.kernelRegularizer }),
  ];
}

function mlp(settings: Settings): Layer[] {
  const { activation } = settings;
  const { shape, classes } = SETS[settings.data];
  const regularizer = kernelRegularizer(settings);
  return [
    new Flatten({ inputShape: shape }),
    ...settings.layers.map((units) => new Dense({ units, activation, kernelRegularizer: regularizer })),
    new Dense({ units: classes.length, activation: 'softmax', kernelRegularizer: regularizer }),
  ];
}
