import { expect, test } from 'vitest';
import {
  Adam,
  AdamW,
  BatchNormalization,
  type BatchSource,
  Conv2D,
  Dense,
  type Device,
  Flatten,
  type Layer,
  type Optimizer,
  RMSprop,
  regularizers,
  Sequential,
  SGD,
  tensor,
} from '../../src/node.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { type GoldenArray, readGolden } from './vectors.ts';

type Group = Record<string, GoldenArray>;

interface Run {
  optimizer: string;
  learningRate: number;
  epsilon: number;
  l2: number;
  batchNorm: boolean;
  /** Loss before each step, including the penalty. */
  losses: GoldenArray;
  end: Group;
}

const { x, labels, start, runs } = readGolden<{ x: GoldenArray; labels: GoldenArray; start: Group; runs: Run[] }>(
  './networks/five-steps.json',
);

const optimizers: Record<string, (run: Run) => Optimizer> = {
  sgd: ({ learningRate }) => new SGD({ learningRate }),
  momentum: ({ learningRate }) => new SGD({ learningRate, momentum: 0.9 }),
  nesterov: ({ learningRate }) => new SGD({ learningRate, momentum: 0.9, nesterov: true }),
  adam: ({ learningRate, epsilon }) => new Adam({ learningRate, epsilon }),
  adamw: ({ learningRate, epsilon }) => new AdamW({ learningRate, epsilon }),
  rmsprop: ({ learningRate, epsilon }) => new RMSprop({ learningRate, epsilon }),
};

function network({ l2, batchNorm: normed }: Run): Layer[] {
  const kernelRegularizer = regularizers.l2(l2);
  return [
    new Conv2D({ filters: 3, kernelSize: 3, activation: 'relu', inputShape: x.shape.slice(1), kernelRegularizer }),
    ...(normed ? [new BatchNormalization()] : []),
    new Flatten(),
    new Dense({ units: 3, activation: 'softmax', kernelRegularizer }),
  ];
}

/** Returns the same batch at every step. */
function batchSource(device: Device): BatchSource & { dispose(): void } {
  const batch = {
    x: tensor(device, x.data, x.shape),
    targets: tensor(device, labels.data, labels.shape, { dtype: 'u32' }),
  };
  return {
    device,
    size: x.shape[0]!,
    sampleShape: x.shape.slice(1),
    classes: 3,
    batch: () => batch,
    dispose() {
      batch.x.dispose();
      batch.targets.dispose();
    },
  };
}

/** Names of the weights in the vectors, in the order of the model's weights. */
const names = (run: Run) => [
  'filter',
  'convBias',
  ...(run.batchNorm ? ['gamma', 'beta', 'mean', 'variance'] : []),
  'kernel',
  'bias',
];

/**
 * Tolerance for f32 over five steps, relative to the terms of a weight: its initial value and its change. A weight that ends near 0 has
 * the rounding errors of both. The test fails with PyTorch's position of epsilon, unbiased running variance or defaults in
 * make_golden.py.
 */
const RTOL = 1e-5;

describeOnDevice('five steps of a small network agree with PyTorch', (device) => {
  test.each(runs.map((run) => [run.optimizer, run.batchNorm ? ' with batch normalization' : '', run] as const))(
    '%s%s',
    async (optimizer, _batchNorm, run) => {
      const data = batchSource(device);
      using model = new Sequential(network(run)).build(device);
      for (const [k, name] of names(run).entries()) {
        // The moving statistics keep their initial values, as in Keras.
        if (start[name]) device.upload(model.weights[k]!.tensor.array.storage, Float32Array.from(start[name].data));
      }
      model.compile({ optimizer: optimizers[optimizer]!(run), loss: 'sparseCategoricalCrossentropy' });
      const history = await model.fit(data, { epochs: 5, batchSize: data.size, shuffle: false });
      expectClose(
        history.epochs.map(({ loss }) => loss),
        run.losses.data,
        { rtol: RTOL },
        'loss',
      );
      expect(model.weights.length).toBe(names(run).length);
      for (const [k, name] of names(run).entries()) {
        const weight = model.weights[k]!;
        expect(weight.tensor.shape).toEqual(run.end[name]!.shape);
        const end = run.end[name]!.data;
        const first = start[name]?.data ?? end;
        const magnitude = end.map((value, i) => Math.abs(value) + Math.abs(first[i]!));
        expectClose(await weight.tensor.data(), end, { rtol: RTOL, magnitude }, name);
      }
      data.dispose();
    },
  );
});
