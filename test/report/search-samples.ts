import type { Hyperparameter, HyperparameterValue, SearchRecord, Trial } from '../../src/search/record.ts';
import { random } from '../support/random.ts';

const always = { conditions: [] };
const ofLayer = (i: number) => (i < 3 ? [] : [{ name: 'layers', values: i === 3 ? [4, 5] : [5] }]);

const rate: Hyperparameter = {
  ...{ kind: 'float', name: 'learning_rate', ...always, min: 1e-4, max: 0.1 },
  ...{ sampling: 'log', step: null, default: 1e-4 },
};

/** The search space of C1, in the order of the builder's requests. */
export const mlpSpace: Hyperparameter[] = [
  { kind: 'int', name: 'layers', ...always, min: 3, max: 5, sampling: 'linear', step: 1, default: 3 },
  ...[0, 1, 2, 3, 4].flatMap((i): Hyperparameter[] => [
    {
      ...{ kind: 'choice', name: `units${i}`, conditions: ofLayer(i) },
      ...{ values: [64, 128, 256], ordered: true, default: 64 },
    },
    {
      ...{ kind: 'float', name: `l2_${i}`, conditions: ofLayer(i), min: 1e-8, max: 1e-4 },
      ...{ sampling: 'log', step: null, default: 1e-8 },
    },
    {
      ...{ kind: 'float', name: `dropout_${i}`, conditions: ofLayer(i), min: 0.1, max: 0.5 },
      ...{ sampling: 'linear', step: 0.2, default: 0.1 },
    },
  ]),
  {
    ...{ kind: 'float', name: 'l2_final', ...always, min: 1e-8, max: 1e-4 },
    ...{ sampling: 'log', step: null, default: 1e-8 },
  },
  rate,
];

/** A trial in a record. */
export const trialOf = (changes: Partial<Trial> & { number: number }): Trial => ({
  values: {},
  status: 'completed',
  score: 0.9,
  bestEpoch: 1,
  histories: [[{ epoch: 1, loss: 0.5, valAccuracy: 0.9 }]],
  parameters: 1000,
  seconds: { setUp: 0.1, total: 2 },
  adapter: 'llvmpipe',
  ...changes,
});

export const recordOf = (changes: Partial<SearchRecord> = {}): SearchRecord => ({
  ...{
    kind: 'tilegrad-search',
    schemaVersion: 1,
    name: 'mlp',
    searcher: 'RandomSearch',
    options: { maxTrials: 3 },
    fit: {},
  },
  ...{ objective: { name: 'valAccuracy', direction: 'max' }, seed: 1, executionsPerTrial: 1 },
  ...{ space: [rate], trials: [] },
  ...changes,
});

/** Draws values for the hyperparameters of that space. */
function draw(space: readonly Hyperparameter[], numbers: ReturnType<typeof random>): Trial['values'] {
  const values: Record<string, HyperparameterValue> = {};
  for (const one of space) {
    if (!one.conditions.every(({ name, values: allowed }) => allowed.includes(values[name]!))) continue;
    const u = numbers.uniform();
    if (one.kind === 'fixed') values[one.name] = one.value;
    else if (one.kind === 'boolean') values[one.name] = u < 0.5;
    else if (one.kind === 'choice') values[one.name] = one.values[Math.floor(u * one.values.length)]!;
    else if (one.sampling === 'log') values[one.name] = one.min * (one.max / one.min) ** u;
    else if (one.step === null) values[one.name] = one.min + u * (one.max - one.min);
    else values[one.name] = one.min + one.step * Math.floor(u * Math.round((one.max - one.min) / one.step + 1));
  }
  return values;
}

/** A Hyperband search over the space of C1 with invented accuracies: high rates and high dropout reduce them. */
export function hyperbandRecord(): SearchRecord {
  const numbers = random(7);
  const trials: Trial[] = [];
  const accuracy = (values: Trial['values'], epoch: number) => {
    const power = Math.log10(values.learning_rate as number);
    const final =
      0.978 - 0.012 * (power + 2.7) ** 2 - 0.03 * (values.dropout_0 as number) - 0.001 * (values.layers as number);
    return Math.max(0.1, final - 0.05 / epoch);
  };
  const run = (
    values: Trial['values'],
    place: { bracket: number; round: number; from: number; to: number; parent?: number },
  ): Trial => {
    const { bracket, round, from, to, parent } = place;
    const number = trials.length;
    const epochs = Array.from({ length: to - from }, (_, i) => from + i + 1);
    const histories = [
      epochs.map((epoch) => ({
        epoch,
        loss: 1 / epoch,
        valAccuracy: accuracy(values, epoch) + 0.004 * (numbers.uniform() - 0.5),
      })),
    ];
    const best = histories[0]!.reduce((a, b) => (b.valAccuracy > a.valAccuracy ? b : a));
    const failed = number === 5;
    const tunerValues = {
      ...{ 'tuner/bracket': bracket, 'tuner/round': round, 'tuner/epochs': to, 'tuner/initial_epoch': from },
      ...(parent === undefined ? {} : { 'tuner/trial_number': parent }),
    };
    const trial = trialOf({
      number,
      ...{ values: { ...values, ...tunerValues }, score: failed ? null : best.valAccuracy },
      ...{ bestEpoch: failed ? null : best.epoch, histories: failed ? [[]] : histories },
      ...(failed ? { status: 'failed' as const, reason: 'the loss of epoch 1 is NaN' } : {}),
      ...{ parameters: 55_000 + 1000 * number, seconds: { setUp: 0.12, total: 2.5 * (to - from) } },
    });
    trials.push(trial);
    return trial;
  };
  const ends = [2, 4, 10];
  const sizes = [
    { bracket: 2, rounds: [12, 4, 2] },
    { bracket: 1, rounds: [6, 2] },
    { bracket: 0, rounds: [4] },
  ];
  for (const { bracket, rounds } of sizes) {
    let survivors: Trial[] = [];
    for (const [round, size] of rounds.entries()) {
      const to = ends[2 - bracket + round]!;
      const from = round === 0 ? 0 : ends[2 - bracket + round - 1]!;
      const valuesOf = (trial: Trial) =>
        Object.fromEntries(Object.entries(trial.values).filter(([name]) => !name.startsWith('tuner/')));
      survivors =
        round === 0
          ? Array.from({ length: size }, () => run(draw(mlpSpace, numbers), { bracket, round, from, to }))
          : [...survivors]
              .sort((a, b) => (b.score ?? 0) - (a.score ?? 0))
              .slice(0, size)
              .map((parent) => run(valuesOf(parent), { bracket, round, from, to, parent: parent.number }));
    }
  }
  return recordOf({
    ...{ name: 'c1-seed-1', searcher: 'Hyperband', options: { maxEpochs: 10, factor: 3, hyperbandIterations: 1 } },
    ...{ space: mlpSpace, trials },
  });
}
