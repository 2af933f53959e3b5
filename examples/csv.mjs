// A network on a CSV file: what the weather was, to whether it rains the next day. `npm install csv-parse` reads the file.

import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { confusionMatrix, Dense, openDevice, rescale, Sequential, splitIndices, standardization } from 'tilegrad/node';

const device = await openDevice();
const rows = parse(readFileSync(process.argv[2]), { columns: true, trim: true });

// Numbers are standardized, with mean and deviation of the training rows alone; a column of names becomes one of 0 and 1 for each name.
const numeric = ['temperature', 'humidity', 'pressure'];
const winds = [...new Set(rows.map(({ wind }) => wind))].sort();
const y = rows.map(({ rain }) => (rain === 'yes' ? 1 : 0));
const { train, test } = splitIndices(y, { testSize: 0.25, stratify: true, seed: 1 });
const numbers = rows.map((row) => numeric.map((column) => Number(row[column])));
const scaling = standardization(Array.from(train, (i) => numbers[i]));
const x = rows.map(({ wind }, i) => [...rescale([numbers[i]], scaling), ...winds.map((name) => Number(name === wind))]);
const part = (indices) => ({ x: Array.from(indices, (i) => x[i]), y: Array.from(indices, (i) => y[i]) });

const model = new Sequential([
  new Dense({ units: 8, activation: 'relu', inputShape: [x[0].length] }),
  new Dense({ units: 1, activation: 'sigmoid' }),
]).build(device, { seed: 1 });
model.compile({ optimizer: 'adam', loss: 'binaryCrossentropy', metrics: ['precision', 'recall'] });
await model.fit(part(train), { epochs: 60, batchSize: 16 });
console.log(await model.evaluate(part(test)));
console.log((await confusionMatrix(model, part(test))).counts);
device.dispose();
