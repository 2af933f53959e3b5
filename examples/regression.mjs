// Regression on a noisy curve, with metrics for regression, computed on the adapter.
import { Adam, Dense, EarlyStopping, openDevice, Sequential, sub } from 'tilegrad/node';

const device = await openDevice();
const spread = (i, step) => (i * step) % 1; // numbers spread over 0..1, the same in every run
const x = Array.from({ length: 1000 }, (_, i) => [spread(i, 0.618034) * 6 - 3]);
const y = x.map(([value], i) => [Math.sin(value) + (spread(i, 0.754878) - 0.5) / 5]);

const model = new Sequential([
  new Dense({ units: 32, activation: 'tanh', inputShape: [1] }),
  new Dense({ units: 32, activation: 'tanh' }),
  new Dense({ units: 1 }),
]).build(device, { seed: 1 });
/** A metric of your own is a function of operators: here the mean of the errors with their signs. */
const bias = (output, target) => sub(output, target);
model.compile({
  optimizer: new Adam({ learningRate: 0.01 }),
  loss: 'meanSquaredError',
  metrics: ['mae', 'rootMeanSquaredError', 'r2Score', bias],
});
const stop = new EarlyStopping({ monitor: 'valR2Score', patience: 10, restoreBestWeights: true });
const history = await model.fit({ x, y }, { epochs: 60, batchSize: 32, validationSplit: 0.2, callbacks: [stop] });
console.log(history.epochs.at(-1));
for (const value of [-1, 0, 1]) {
  const [[output]] = await model.predict([[value]], { rows: true });
  console.log(`${value}: ${output.toFixed(3)} (sine ${Math.sin(value).toFixed(3)})`);
}
device.dispose();
