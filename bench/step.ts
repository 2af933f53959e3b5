/** Where the time of one LeNet-5 training step goes: every dispatch of the recorded step, run alone many times. */
import { A1 } from '../experiments/A1.ts';
import { ImageLoader } from '../src/data/loader.ts';
import { openDevice } from '../src/gpu/dawn.ts';
import { BatchRunner } from '../src/nn/batches.ts';
import { scope } from '../src/autograd/tensor.ts';
import { table } from './table.ts';

const BATCH = 256;
const device = await openDevice();
const images = Uint8Array.from({ length: BATCH * 3072 }, () => Math.random() * 256);
const labels = Uint8Array.from({ length: BATCH }, (_, i) => i % 10);
const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`);
const loader = new ImageLoader(device, { images, labels, size: BATCH, shape: [32, 32, 3], classes });
const model = A1.createModel();
model.build(device as never, { seed: 1 });
const seq = model as unknown as import('../src/nn/sequential.ts').Sequential;
const opt = A1.createOptimizer(0.001) as import('../src/nn/optimizers.ts').Optimizer;
seq.compile({ optimizer: opt, loss: 'sparseCategoricalCrossentropy' });
opt.build(seq.parameters);
const runner: BatchRunner = new BatchRunner(loader, BATCH, ({ x, labels }) =>
  scope(device, () => {
    seq.parameters.zeroGrad();
    const r = seq.training.loss.call(seq.callLogits(x, { training: true }), labels);
    r.loss.backward();
    opt.apply(seq.parameters, runner.state);
  }),
);
runner.run(0, { step: 1, stepSize: 0 });
await device.sync();
const program = (runner as any).programs.get(BATCH);
const rows: string[][] = [];
let total = 0;
const time = async (f: () => void, n: number) => {
  const t = performance.now();
  for (let i = 0; i < n; i++) f();
  await device.sync();
  return (performance.now() - t) / n;
};
for (const c of program.commands) {
  const one = () => (device as any).recorder.replay([c]);
  await time(one, 2);
  let ms = 1e9;
  for (let i = 0; i < 3; i++) ms = Math.min(ms, await time(one, 10));
  total += ms;
  rows.push([c.bindGroup.label, c.workgroups.join('x'), ms.toFixed(3)]);
}
const step = await time(() => program.run(), 10);
process.stdout.write(table(['kernel', 'workgroups', 'ms'], rows));
process.stdout.write(`sum ${total.toFixed(2)} ms, whole step ${step.toFixed(2)} ms\n`);
device.dispose();
