import { DeviceArray, withScope } from '../../src/kernels/array.ts';
import { matmul } from '../../src/kernels/matmul/matmul.ts';
import { type Device, ImageLoader, type ImageSet, type Model, SGD } from '../../src/node.ts';
import { modelOn } from '../workloads.ts';
import type { Inputs, Workload } from './workloads.ts';

/** Returns the function that prepares a workload, for `serve`. It uses tilegrad as users do: `fit` and `predict` on bytes on the GPU. */
export const tilegradProgram = (device: Device) => async (workload: Workload, inputs: Inputs) => {
  const { what, model: kind } = workload;
  if (what === 'gemm' || kind === null) return gemm(device, workload.size, inputs.kernels);
  const model = (dropout: number) => {
    let used = 0;
    return modelOn(device, kind, { dropout, kernelInitializer: () => inputs.kernels[used++]! });
  };
  return what === 'fit' ? fit(device, workload, inputs, model) : predict(device, workload, inputs, model(0));
};

/** Returns a loader with the first batch `times` times. */
function createLoader(
  device: Device,
  { batch, sample }: Workload,
  { images, labels }: Inputs,
  times: number,
): ImageLoader {
  const set: ImageSet = {
    images: new Uint8Array(times * images.length),
    labels: new Uint8Array(times * labels.length),
    size: times * batch,
    shape: sample as [number, number, number],
    classes: Array.from({ length: 10 }, (_, i) => `${i}`),
  };
  for (let i = 0; i < times; i++) {
    set.images.set(images, i * images.length);
    set.labels.set(labels, i * labels.length);
  }
  return new ImageLoader(device, set);
}

async function fit(device: Device, workload: Workload, inputs: Inputs, model: (dropout: number) => Model) {
  const { batch, dropout, stepsChecked, sgdChecked } = workload;
  const once = createLoader(device, workload, inputs, 1);
  const checked = model(0);
  if (sgdChecked !== null) {
    checked.compile({ optimizer: new SGD({ learningRate: sgdChecked }), loss: 'sparseCategoricalCrossentropy' });
  }
  const { epochs } = await checked.fit(once, { batchSize: batch, epochs: stepsChecked, shuffle: false });
  checked.dispose();
  const timed = model(dropout);
  let data = once;
  return {
    check: epochs.map(({ loss }) => loss),
    async run(runs: number) {
      if (data.size !== runs * batch) {
        data.dispose();
        data = createLoader(device, workload, inputs, runs);
      }
      // `fit` records the step in its first epoch; the second one is like all that follow.
      let ms = 0;
      let begun = 0;
      await timed.fit(data, {
        batchSize: batch,
        epochs: 2,
        callbacks: [
          {
            onEpochBegin() {
              begun = performance.now();
            },
            onEpochEnd() {
              ms = performance.now() - begun;
            },
          },
        ],
      });
      return ms;
    },
  };
}

async function predict(device: Device, workload: Workload, inputs: Inputs, model: Model) {
  const { batch, size } = workload;
  const all = createLoader(device, { ...workload, batch: size }, inputs, 1);
  const outputs = await model.predict(all, { batchSize: batch });
  return {
    check: Array.from(outputs.slice(0, 160)),
    async run(runs: number) {
      for (let i = 0; i < runs; i++) await model.predict(all, { batchSize: batch });
    },
  };
}

async function gemm(device: Device, size: number, matrices: readonly Float32Array<ArrayBuffer>[]) {
  const [a, b] = matrices.map((values) => {
    const array = DeviceArray.empty(device, [size, size]).keep();
    device.upload(array.storage, values);
    return array;
  }) as [DeviceArray, DeviceArray];
  const c = matmul(a, b);
  const values = new Float32Array(await device.read(c.storage));
  c.dispose();
  return {
    check: Array.from(values.slice(0, 64)),
    async run(runs: number) {
      for (let i = 0; i < runs; i++)
        withScope(
          device,
          () => void matmul(a, b),
          () => [],
        );
      await device.sync();
    },
  };
}
