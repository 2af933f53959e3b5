import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Callback, EarlyStopping, Hyperband, openDevice, RandomSearch } from '../../src/node.ts';
import { buildModel, data, fit, withoutTimes } from '../search/small-search.ts';

// Runs as a separate program (see search/resumed.test.ts) with the folder of a search, `random` or `hyperband`, and optionally the point
// at which it kills itself: `step` after the third step of an epoch, `fit` when a trial's training has ended, `trial` when the trial is
// on the disk; with the numbers of the trial and the epoch. Prints its results, and the epochs of the trials that it trained.
const [directory = '', kind = '', event, trial, epoch] = process.argv.slice(2);
const die = () => process.kill(process.pid, 'SIGKILL');
using device = await openDevice();
const trained: string[] = [];
const callbacks = ({ number }: { number: number }): Callback[] => {
  const isDue = number === Number(trial);
  let current = 0;
  let steps = 0;
  return [
    // Stops some trials early.
    new EarlyStopping({ monitor: 'valLoss', minDelta: 0.01, restoreBestWeights: true }),
    {
      onEpochBegin: (info) => {
        [current, steps] = [info.epoch, 0];
        trained.push(`${number}:${current}`);
      },
      onSafePoint: ({ after }) => {
        if (after === 'step' && ++steps === 3 && isDue && event === 'step' && current === Number(epoch)) die();
      },
      onTrainEnd: () => {
        if (isDue && event === 'fit') die();
      },
    },
  ];
};
const common = {
  ...{ buildModel, objective: 'valLoss', directory, seed: 5, device, executionsPerTrial: 2 },
  onTrialEnd: ({ number }: { number: number }) => {
    if (event === 'trial' && number === Number(trial)) die();
  },
};
const search =
  kind === 'hyperband'
    ? new Hyperband({ ...common, maxEpochs: 4, factor: 2 })
    : new RandomSearch({ ...common, maxTrials: 4, saveFreq: 2 });
const record = await search.search(data, {
  ...fit,
  ...(kind === 'hyperband' ? { epochs: undefined } : { epochs: 6 }),
  callbacks,
});
const weights = readdirSync(join(directory, 'weights')).map((name) => {
  return [name, createHash('sha256').update(readFileSync(join(directory, 'weights', name))).digest('hex')]; // biome-ignore format: as a pair
});
const left = { trials: record.trials.map(withoutTimes), weights, backups: readdirSync(join(directory, 'backups')) };
process.stdout.write(JSON.stringify({ left, trained }));
