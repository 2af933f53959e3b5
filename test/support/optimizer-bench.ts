import type { Device } from '../../src/gpu/device.ts';
import { StepState } from '../../src/kernels/optimizers/step-state.ts';
import type { Optimizer } from '../../src/nn/optimizers/index.ts';
import { ParameterStore } from '../../src/nn/weights/parameters.ts';
import { map, type NdArray } from '../reference/ndarray.ts';
import { drawLike } from './operator-cases.ts';

/**
 * Weights and gradients without a model, and a step's uniform: the input of an optimizer.
 * @param frozen index of the weight whose layer is frozen
 */
export function optimizerBench(
  device: Device,
  shapes: readonly number[][],
  optimizer: Optimizer,
  { frozen = -1 } = {},
) {
  const start = shapes.map((shape, k) => map(drawLike(shape, 3 + k), Math.fround));
  const store = new ParameterStore(
    device,
    shapes.map((shape, k) => ({
      name: `w${k}`,
      shape,
      initializer: () => Float32Array.from(start[k]!.data),
      layer: { trainable: k !== frozen },
    })),
    0,
  );
  const state = new StepState(device);
  optimizer.build(store);
  return {
    start,
    store,
    step(gradients: readonly NdArray[]) {
      const flat = new Float32Array(store.gradients.size);
      store.weights.forEach(({ offset }, k) => {
        flat.set(gradients[k]!.data, offset!);
      });
      device.upload(store.gradients.storage, flat);
      state.write({ batchStart: 0, ...optimizer.valuesAt(++optimizer.iterations) });
      optimizer.apply(store, state);
      device.flush();
    },
    weights: () => Promise.all(store.weights.map(({ tensor }) => tensor.data())),
    dispose() {
      state.dispose();
      optimizer.dispose();
      store.dispose();
    },
  };
}
