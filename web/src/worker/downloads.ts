import type { Model } from '../../../src/index.ts';
import type { DataName, OptimizerName, Settings } from '../settings.ts';

/** Paths of the samples in the package; that of CIFAR-10 is an archive. */
const SAMPLES: Readonly<Record<DataName, string>> = {
  mnist: 'data/sample/mnist',
  cifar10: 'data/sample/cifar-10-binary-sample.tar.gz',
};

const OPTIMIZERS: Readonly<Record<OptimizerName, (rate: number) => string>> = {
  adam: (rate) => `new Adam({ learningRate: ${rate} })`,
  rmsprop: (rate) => `new RMSprop({ learningRate: ${rate} })`,
  momentum: (rate) => `new SGD({ learningRate: ${rate}, momentum: 0.9 })`,
  sgd: (rate) => `new SGD({ learningRate: ${rate} })`,
};

/** A value as a JavaScript literal: `{ units: 10, activation: 'softmax' }`. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value === 'string') return `'${value}'`;
  if (value === null || typeof value !== 'object') return String(value);
  const entries = Object.entries(value).map(([key, one]) => `${key}: ${literal(one)}`);
  return entries.length > 0 ? `{ ${entries.join(', ')} }` : '';
}

/**
 * Text of a program for Node that trains like the page, prints the hash of the weights after each epoch and saves them.
 * @param model model of these settings
 * @param epochs number of epochs to train
 */
export function nodeProgram(model: Model, settings: Settings, epochs: number): string {
  const { data, batch, seed, replicas } = settings;
  const optimizer = OPTIMIZERS[settings.optimizer](settings.rate);
  const layers = model.layers.map((layer) => {
    const { name: _, ...options } = layer.getConfig();
    return `new ${layer.kind}(${literal(options)})`;
  });
  const classes = [...layers, optimizer].map((text) => /\w+(?=\()/.exec(text)![0]);
  const names = [
    ...new Set([...classes, 'ImageLoader', 'loadDataset', 'openDevice', 'saveWeights', 'Sequential']),
  ].sort((a, b) => a.localeCompare(b));
  return `// The training of a tilegrad page: the same weights to the bit, on the same kind of adapter.
//   npm install tilegrad webgpu
//   node tilegrad-${settings.network}-${data}.mjs
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
${names.map((name) => `  ${name},\n`).join('')}} from 'tilegrad/node';

const device = await openDevice();
// The sample that comes with the package, whatever other data is on this machine.
const dir = fileURLToPath(new URL('${SAMPLES[data]}', import.meta.resolve('tilegrad/package.json')));
const { train, test } = await loadDataset('${data}', { dir });
const model = new Sequential([
${layers.map((layer) => `  ${layer},\n`).join('')}]).build(device, { seed: ${seed}, replicas: ${replicas} });
model.compile({ optimizer: ${optimizer}, loss: 'sparseCategoricalCrossentropy' });

/** SHA-256 of all weights. */
async function hashWeights() {
  const hash = createHash('sha256');
  for (const { data } of await model.getWeights()) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex');
}
const printEpoch = {
  async onEpochEnd({ epoch, loss, valAccuracy }) {
    console.log(\`epoch \${epoch}: loss \${loss.toFixed(4)}, test accuracy \${valAccuracy.toFixed(4)}, weights \${await hashWeights()}\`);
  },
};
await model.fit(new ImageLoader(device, train), {
  epochs: ${epochs},
  batchSize: ${batch},
  seed: ${seed},
  validationData: new ImageLoader(device, test),
  callbacks: [printEpoch],
});
await saveWeights(model, '${settings.network}-${data}.safetensors');
device.dispose();
`;
}
