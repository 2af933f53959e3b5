/** Runs in a separate process, up to the end of the first training step of LeNet-5, as a user of the library writes it. */
import { ImageLoader, openDevice } from '../src/node.ts';
import { modelOn, noise, SAMPLE } from './workloads.ts';

const BATCH = 256;
const device = await openDevice();
const data = new ImageLoader(device, noise(BATCH, SAMPLE.lenet));
await modelOn(device, 'lenet').fit(data, { batchSize: BATCH });
process.stdout.write('the first step is done\n');
device.dispose();
