/** `npm run bench -- own-loop`: times a step of a plain loop, of a compiled loop and of `fit`, in turns in one process. */
import {
  Adam,
  compileStep,
  type Device,
  ImageLoader,
  type Model,
  openDevice,
  softmaxCrossEntropy,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { type ModelName, modelOn, noise, SAMPLE } from '../workloads.ts';

const cases: readonly { model: ModelName; batch: number; steps: number }[] = [
  { model: 'mlp', batch: 32, steps: 40 },
  { model: 'lenet', batch: 32, steps: 20 },
  { model: 'lenet', batch: 256, steps: 8 },
];
const rounds = Number(process.argv[2] ?? 5);

const print = (line: string) => process.stdout.write(`${line}\n`);

type Step = (x: Tensor, y: Tensor) => Tensor;

/** Returns a training step for a model's weights. */
function createStep(model: Model): Step {
  const optimizer = new Adam({ parameters: model.parameters });
  return (x, y) => {
    const loss = softmaxCrossEntropy(model.callLogits(x, { training: true }), y);
    loss.backward();
    optimizer.step();
    optimizer.clearGrad();
    return loss;
  };
}

async function timeSteps(device: Device, steps: number, step: () => void): Promise<number> {
  await device.sync();
  const begun = performance.now();
  for (let i = 0; i < steps; i++) step();
  await device.sync();
  return (performance.now() - begun) / steps;
}

/** Returns the milliseconds of a step in each way, the best of all rounds. */
async function timeCase(device: Device, { model: name, batch, steps }: (typeof cases)[number]) {
  const images = noise(batch * steps, SAMPLE[name]);
  const loader = new ImageLoader(device, images);
  const x = tensor(device, Float32Array.from(images.images.subarray(0, images.images.length / steps)), [
    batch,
    ...SAMPLE[name],
  ]);
  const y = tensor(device, images.labels.subarray(0, batch), [batch], { dtype: 'u32' });
  const plain = createStep(modelOn(device, name));
  const compiled = compileStep(device, createStep(modelOn(device, name)));
  const fitModel = modelOn(device, name);
  const timeFit = async () => {
    const { epochs } = await fitModel.fit(loader, { epochs: 2, batchSize: batch, shuffle: false });
    return (1000 * epochs[1]!.seconds) / steps; // the first epoch records the step
  };
  const best = { plain: Number.POSITIVE_INFINITY, compiled: Number.POSITIVE_INFINITY, fit: Number.POSITIVE_INFINITY };
  for (let round = 0; round <= rounds; round++) {
    const times = {
      plain: await timeSteps(device, steps, () => plain(x, y)),
      compiled: await timeSteps(device, steps, () => compiled(x, y)),
      fit: await timeFit(),
    };
    if (round === 0) continue; // compiles kernels
    for (const way of ['plain', 'compiled', 'fit'] as const) best[way] = Math.min(best[way], times[way]);
  }
  return best;
}

const device = await openDevice();
print(`${device.info.name} ${device.info.driver}; milliseconds a step, the best of ${rounds} rounds in turns`);
for (const one of cases) {
  const { plain, compiled, fit } = await timeCase(device, one);
  const ratio = (ms: number) => `${ms.toFixed(2)} ms (${(ms / fit).toFixed(2)} of fit)`;
  print(
    `${one.model}, batch ${one.batch}: plain ${ratio(plain)}, compiled ${ratio(compiled)}, fit ${fit.toFixed(2)} ms`,
  );
}
device.dispose();
