import {
  Adam,
  BackupAndRestore,
  BatchNormalization,
  Conv2D,
  Dense,
  Dropout,
  EarlyStopping,
  Flatten,
  ImageLoader,
  openDevice,
  Sequential,
} from '../../src/node.ts';
import { drawImages } from './images.ts';

// Runs as a separate program (see io/backup-killed.test.ts) with the path of a backup and, optionally, the number of the step after
// which it kills itself. Prints the position at which it began, and its results.
const [path, killAt] = process.argv.slice(2);
const shape: [number, number, number] = [6, 6, 1];
using device = await openDevice();
using loader = new ImageLoader(device, drawImages(40, { shape, classes: 3 }));
using model = new Sequential([
  new Conv2D({ filters: 3, kernelSize: 3, activation: 'relu', inputShape: shape }),
  new BatchNormalization(),
  new Flatten(),
  new Dropout(0.4),
  new Dense({ units: 3, activation: 'softmax' }),
]).build(device, { seed: 4 });
const optimizer = new Adam({ learningRate: 0.01 });
model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
const backup = new BackupAndRestore({ path: path!, saveFreq: 2 });
const killer = {
  onSafePoint: () => {
    if (optimizer.iterations === Number(killAt)) process.kill(process.pid, 'SIGKILL');
  },
};
const { epochs } = await model.fit(loader, {
  epochs: 4,
  batchSize: 7,
  validationSplit: 0.25,
  callbacks: [new EarlyStopping({ patience: 3, restoreBestWeights: true }), backup, killer],
});
const bits = async ({ storage }: (typeof optimizer.slots)[number]) => [...new Uint32Array(await device.read(storage))];
const buffers = await Promise.all([...model.parameters.buffers, ...optimizer.slots].map(bits));
const logs = epochs.map(({ seconds, samplesPerSecond, ...figures }) => figures);
process.stdout.write(JSON.stringify({ from: backup.resumedFrom, left: { buffers, logs } }));
