/**
 * Where the time of one LeNet-5 training step goes (batch 256): every dispatch of the recorded step, run alone many times,
 * and the whole step.
 */
import { scope } from '../src/autograd/tensor.ts';
import { ImageLoader } from '../src/data/loader.ts';
import { openDevice } from '../src/gpu/dawn.ts';
import { DeviceArray } from '../src/kernels/array.ts';
import { StepState } from '../src/kernels/step-state.ts';
import {
  Adam,
  Conv2D,
  Dense,
  Flatten,
  MaxPooling2D,
  Sequential,
  SparseCategoricalCrossentropy,
} from '../src/nn/index.ts';
import { table } from './table.ts';

const BATCH = 256;
const device = await openDevice();
const data = new ImageLoader(device, {
  images: Uint8Array.from({ length: BATCH * 3072 }, () => Math.random() * 256),
  labels: Uint8Array.from({ length: BATCH }, (_, i) => i % 10),
  size: BATCH,
  shape: [32, 32, 3],
  classes: Array.from({ length: 10 }, (_, i) => `class ${i}`),
});
const model = new Sequential([
  new Conv2D({ filters: 6, kernelSize: 5, activation: 'relu', inputShape: [32, 32, 3] }),
  new MaxPooling2D(),
  new Conv2D({ filters: 16, kernelSize: 5, activation: 'relu' }),
  new MaxPooling2D(),
  new Flatten(),
  new Dense({ units: 120, activation: 'relu' }),
  new Dense({ units: 84, activation: 'relu' }),
  new Dense({ units: 10 }),
]).build(device);
const optimizer = new Adam();
optimizer.build(model.parameters);
const loss = new SparseCategoricalCrossentropy({ fromLogits: true });
const state = new StepState(device);
const order = DeviceArray.empty(device, [BATCH], { dtype: 'u32' }).keep();
device.upload(
  order.storage,
  Uint32Array.from({ length: BATCH }, (_, i) => i),
);
const program = device.record(() =>
  scope(device, () => {
    const { x, labels } = data.batch(order, state, BATCH);
    model.parameters.zeroGrad();
    loss.call(model.callLogits(x, { training: true }), labels, 'logits').loss.backward();
    optimizer.apply(model.parameters, state);
  }),
);
state.write({ batchStart: 0, step: 1, stepSize: 0 });

/** Milliseconds of one run, the best of five rounds of ten. */
async function milliseconds(run: () => void): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 6; round++) {
    const begun = performance.now();
    for (let i = 0; i < 10; i++) run();
    await device.sync();
    if (round > 0) best = Math.min(best, (performance.now() - begun) / 10); // the first compiles
  }
  return best;
}

const whole = await milliseconds(() => program.run());
const rows: [string, number][] = [];
for (const [i, kernel] of program.kernels.entries()) rows.push([kernel, await milliseconds(() => program.runOnly(i))]);
const { info } = device;
device.dispose();
const sum = rows.reduce((total, [, ms]) => total + ms, 0);
process.stdout.write(`${info.name}, ${info.driver}${info.isSoftware ? ' (CPU)' : ''}\n`);
process.stdout.write(
  table(
    ['kernel', 'ms', 'share'],
    rows.map(([kernel, ms]) => [kernel, ms.toFixed(2), `${((100 * ms) / sum).toFixed(1)}%`]),
  ),
);
process.stdout.write(
  `sum ${sum.toFixed(1)} ms; whole step ${whole.toFixed(1)} ms, ${((1000 * BATCH) / whole).toFixed(0)} samples/s\n`,
);
