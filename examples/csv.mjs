// Trains on a CSV file: from today's weather, predicts whether it rains the next day. Needs `npm install csv-parse`.

import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { confusionMatrix, Dense, openDevice, rescale, Sequential, splitIndices, standardization } from 'tilegrad/node';

const path = process.argv[2];
if (!path) {
  console.error(
    'usage: node examples/csv.mjs weather.csv, whose first line is temperature,humidity,pressure,wind,rain',
  );
  process.exit(2);
}
const device = await openDevice();
const all = parse(readFileSync(path), { columns: true, trim: true });

// Incomplete rows are left out: those with an empty cell, NA, or text instead of a number.
const numeric = ['temperature', 'humidity', 'pressure'];
const isName = (text) => text !== '' && text !== 'NA';
const isNumber = (text) => text !== '' && Number.isFinite(Number(text));
const rows = all.filter(
  (row) => isName(row.wind) && isName(row.rain) && numeric.every((column) => isNumber(row[column])),
);
console.log(`${rows.length} of ${all.length} rows are complete`);

// Numbers are standardized with the mean and deviation of the training rows only. A column of names becomes a column of 0 and 1 for each name.
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
