import { AbortedError, DeviceLostError } from '../base/errors.ts';
import { decodeWeights } from '../io/model-file.ts';
import type { Callback, Model } from '../training/index.ts';
import { callBuilder } from './build-model.ts';
import { makeCallbacks } from './fit-options.ts';
import { HyperParameters } from './hyperparameters.ts';
import { disposeModel, isAbort, TrialReport, type TrialWork, throwIfLost } from './run-trial.ts';
import { reasonCallbacksAlone, SharedTraining } from './shared-training.ts';
import { groupTrials, takeReplicas, togetherModel } from './together.ts';
import type { TrialResult } from './trial.ts';
import { TrialBackup } from './trial-backup.ts';
import { AloneError } from './trial-view.ts';

/** A trial whose model is made. */
export interface PreparedTrial {
  work: TrialWork;
  model: Model;
  callbacks: readonly Callback[];
}

/** Trials by their places, with their models where there are several to be trained together. */
export interface TrialGroup {
  places: readonly number[];
  trials: readonly PreparedTrial[] | null;
}

/**
 * Which of some trials can be trained together, `most` at once at most: see `groupTrials`; they must train the same epochs, and have no
 * callback that looks at a training in the midst of an epoch. Trials whose builder or callbacks throw are left to be run alone.
 * @returns the groups, in the order of their first trials
 */
export function groupWorks(works: readonly TrialWork[], maxSize: number): TrialGroup[] {
  const made = works.map((work) => {
    try {
      return prepareTrial(work);
    } catch {
      return null; // runTrial tells what it was
    }
  });
  const alone: number[][] = [];
  const byEpochs = new Map<string, number[]>();
  for (const [i, trial] of made.entries()) {
    if (!trial || reasonCallbacksAlone(trial.callbacks)) {
      alone.push([i]);
      continue;
    }
    const { epochs, initialEpoch } = trial.work.description;
    const key = `${initialEpoch}-${epochs}`;
    byEpochs.set(key, [...(byEpochs.get(key) ?? []), i]);
  }
  const groups = [...byEpochs.values()].flatMap((places) =>
    groupTrials(
      places.map((i) => made[i]!.model),
      maxSize,
    ).map((members) => members.map((k) => places[k]!)),
  );
  return [...groups, ...alone]
    .sort((a, b) => a[0]! - b[0]!)
    .map((places) => ({ places, trials: places.length > 1 ? places.map((i) => made[i]!) : null }));
}

/**
 * Trains trials that `groupWorks` put together, as replicas of one model: each has the result that `runTrial` has, to the bit.
 * @param backup the file of a backup of them all
 * @returns null for a trial that has to be run alone after all: where the adapter has no memory for all at once, say
 * @throws as `runTrial`
 */
export async function runTogether(trials: readonly PreparedTrial[], backup: string): Promise<(TrialResult | null)[]> {
  const works = trials.map(({ work }) => work);
  const { device, data, fit, signal, saveFreq = 'epoch' } = works[0]!;
  const { executions, epochs, initialEpoch } = works[0]!.description;
  const reports = works.map(({ description }) => new TrialReport(description, device));
  const keeper = new TrialBackup(backup, saveFreq);
  let together: Model | null = null;
  try {
    for (const [i, { model }] of trials.entries()) reports[i]!.parameters = model.countParams();
    const shared = new SharedTraining(
      trials.map(({ callbacks }, i) => ({ replicas: executions, callbacks: [...callbacks, reports[i]!.watcher] })),
    );
    const seed = works.flatMap(({ description }) => Array.from({ length: executions }, (_, e) => description.seed + e));
    const models = trials.map(({ model }) => model);
    together = togetherModel(models, { executions }).build(device, { seed });
    const options = { ...fit, epochs, initialEpoch, seed, callbacks: [shared, keeper], signal };
    const { interrupted } = await together.fit(data, options);
    const wrong = reports.find(({ watcher }) => watcher.wrong)?.watcher.wrong;
    if (wrong) throw wrong;
    if (interrupted) throw new AbortedError('trials that are trained together: stopped on request');
    const results: (TrialResult | null)[] = [];
    for (const [i, report] of reports.entries()) {
      const failure = shared.failures[i];
      if (failure) results.push(failure.error instanceof AloneError ? null : report.fail(failure.error));
      else {
        const take = () => takeReplicas(together!, models[i]!, { first: i * executions, replicas: executions });
        results.push(await report.end(shared.histories[i]!.diverged, take));
        disposeModel(models[i]!);
      }
    }
    return results;
  } catch (error) {
    if (error === keeper.failure || reports.some(({ watcher }) => watcher.wrong === error && error !== null))
      throw error;
    if (error instanceof DeviceLostError || (isAbort(error) && signal?.aborted)) throw error;
    await throwIfLost(device, error);
    return works.map(() => null); // one by one, each finds what is wrong with it
  } finally {
    disposeModel(together);
  }
}

/** @throws what the builder, or the user's callbacks, throw */
function prepareTrial(work: TrialWork): PreparedTrial {
  const { description, weights, buildModel, fit } = work;
  const model = callBuilder(buildModel, new HyperParameters({ values: description.values }));
  if (weights) decodeWeights(model, weights, {}, `the weights of trial ${description.from}`);
  return { work, model, callbacks: makeCallbacks(fit, { number: description.number, values: description.values }) };
}
