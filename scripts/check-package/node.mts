// A program for Node. Compiled with the types of Node, without those of the DOM and WebGPU, and run.

import { Dense, openDevice, Sequential, TilegradError } from 'tilegrad/node';
import { plotHistory } from 'tilegrad/report';

using device = await openDevice({ powerPreference: 'low-power' });
const model = new Sequential([new Dense({ units: 1, inputShape: [2] })]).build(device, { seed: 1 });
model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
const x = [
  [0, 1],
  [1, 0],
  [1, 1],
];
const history = await model.fit({ x, y: [1, 2, 3] }, { epochs: 30, signal: AbortSignal.timeout(60_000) });
const { epochs } = history;
const [first, last] = [epochs[0]!.loss, epochs.at(-1)!.loss];
if (!(last < first)) throw new TilegradError(`the loss went from ${first} to ${last}`);
const drawn = (await plotHistory(history).png()).length;
process.stdout.write(`the loss went from ${first.toFixed(3)} to ${last.toFixed(3)}, drawn in ${drawn} bytes\n`);
