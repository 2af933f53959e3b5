/** `npm run bench -- together`: times a search whose trials are trained several at once, in the same dispatches. */
import { parseArgs } from 'node:util';
import { Dense, Flatten, ImageLoader, type Model, openDevice, regularizers, Sequential, SGD } from '../../src/node.ts';
import { groupTrials, togetherModel } from '../../src/search/together.ts';

const USAGE = `Usage: npm run bench -- together [options]

Times a search over learning rate and L2 of two MLPs, with trials trained one by one and 4, 8 and 16 at once. The times are those of
building and training all trials, measured in turns, the best of all rounds.

  --rounds N    rounds; default 3
  --trials N    trials of the search; default 16
  --samples N   images of 28 x 28 that each epoch of a trial trains on, in batches of 32; default 2048
  --epochs N    default 2
  --help        prints this text`;

const SIZES = [1, 4, 8, 16];
const BATCH = 32;

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function options() {
  const number = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      options: { rounds: number, trials: number, samples: number, epochs: number, help: { type: 'boolean' } },
    });
    const { rounds = '3', trials = '16', samples = '2048', epochs = '2', help } = values;
    const read = { rounds: Number(rounds), trials: Number(trials), samples: Number(samples), epochs: Number(epochs) };
    for (const [name, value] of Object.entries(read)) {
      if (!Number.isInteger(value) || value < 1) fail(`--${name}: must be a positive integer`);
    }
    return { ...read, help };
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${USAGE}`);
  }
}

/** Hidden units of each model. */
const MODELS: Record<string, readonly number[]> = {
  'MLP 784-32-10': [32],
  'MLP 784-5x128-10': [128, 128, 128, 128, 128],
};
const RATES = [0.003, 0.01, 0.03, 0.1];
const L2 = [0, 0.0001, 0.001, 0.01];

/** Creates the model of a trial. The trials take the pairs of rate and penalty in turn. */
function createTrialModel(hidden: readonly number[], trial: number): Model {
  const kernelRegularizer = regularizers.l2(L2[trial % L2.length]!);
  const learningRate = RATES[Math.floor(trial / L2.length) % RATES.length]!;
  return new Sequential([
    new Flatten({ inputShape: [28, 28, 1] }),
    ...hidden.map((units) => new Dense({ units, activation: 'relu', kernelRegularizer })),
    new Dense({ units: 10, activation: 'softmax', kernelRegularizer }),
  ]).compile({ optimizer: new SGD({ learningRate, momentum: 0.9 }), loss: 'sparseCategoricalCrossentropy' });
}

const { rounds, trials, samples, epochs, help } = options();
if (help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
using device = await openDevice();
process.stdout.write(`${device.info.name}; ${trials} trials of ${epochs} epochs of ${samples} images\n`);
let state = 1;
const drawBytes = (n: number, below: number) =>
  Uint8Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 16) % below;
  });
const classes = Array.from({ length: 10 }, (_, i) => String(i));
const set = {
  size: samples,
  shape: [28, 28, 1],
  images: drawBytes(784 * samples, 256),
  labels: drawBytes(samples, 10),
  classes,
};
using data = new ImageLoader(device, set as ConstructorParameters<typeof ImageLoader>[1]);

/** Runs a whole search. @returns wall time and processor time in seconds, and the final loss of each trial */
async function runSearch(hidden: readonly number[], size: number) {
  const begun = performance.now();
  const used = process.cpuUsage();
  const models = Array.from({ length: trials }, (_, i) => createTrialModel(hidden, i));
  const losses: number[] = [];
  for (const group of groupTrials(models, size)) {
    const seed = group.map((i) => 1000 * i);
    const model = group.length === 1 ? models[group[0]!]! : togetherModel(group.map((i) => models[i]!));
    model.build(device, { seed });
    const { replicas } = await model.fit(data, { epochs, batchSize: BATCH, seed });
    for (const [r, i] of group.entries()) losses[i] = replicas[r]!.at(-1)!.loss;
    model.dispose();
  }
  const { user, system } = process.cpuUsage(used);
  return { wall: (performance.now() - begun) / 1000, processor: (user + system) / 1e6, losses };
}

for (const [name, hidden] of Object.entries(MODELS)) {
  const best = new Map<number, { wall: number; processor: number }>();
  let expected: string | null = null;
  for (let round = -1; round < rounds; round++) {
    for (const size of SIZES) {
      const { wall, processor, losses } = await runSearch(hidden, size);
      expected ??= losses.join();
      if (losses.join() !== expected) fail(`${name}: ${size} at once have other losses than one by one`);
      if (round < 0) continue; // compiles pipelines
      const before = best.get(size);
      best.set(size, {
        wall: Math.min(wall, before?.wall ?? Infinity),
        processor: Math.min(processor, before?.processor ?? Infinity),
      });
    }
  }
  const alone = best.get(1)!;
  process.stdout.write(`${name}\n`);
  for (const [size, { wall, processor }] of best) {
    const times = `${(alone.wall / wall).toFixed(2)} times as fast`;
    const share = `${processor.toFixed(2)} s of processors (${(alone.processor / processor).toFixed(2)} times less)`;
    process.stdout.write(
      `  ${String(size).padStart(2)} at once ${wall.toFixed(2).padStart(8)} s   ${times}   ${share}\n`,
    );
  }
}
