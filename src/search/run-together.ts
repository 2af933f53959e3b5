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

/** A trial with its model. */
export interface PreparedTrial {
  work: TrialWork;
  model: Model;
  callbacks: readonly Callback[];
}

/** Indices of trials that are trained together; `trials` is null for a trial that runs alone. */
export interface TrialGroup {
  indices: readonly number[];
  trials: readonly PreparedTrial[] | null;
}

/**
 * Groups trials that can be trained together, at most `maxSize` in a group: see `groupTrials`. They must train the same epochs and have no
 * callback that acts within an epoch. Trials whose builder or callbacks throw run alone.
 * @returns the groups, in the order of their first trials
 */
export function groupWorks(works: readonly TrialWork[], maxSize: number): TrialGroup[] {
  const prepared = works.map((work) => {
    try {
      return prepareTrial(work);
    } catch {
      return null; // runTrial reports the error
    }
  });
  const alone: number[][] = [];
  const byEpochs = new Map<string, number[]>();
  for (const [i, trial] of prepared.entries()) {
    if (!trial || reasonCallbacksAlone(trial.callbacks)) {
      alone.push([i]);
      continue;
    }
    const { epochs, initialEpoch } = trial.work.description;
    const key = `${initialEpoch}-${epochs}`;
    byEpochs.set(key, [...(byEpochs.get(key) ?? []), i]);
  }
  const groups = [...byEpochs.values()].flatMap((indices) =>
    groupTrials(
      indices.map((i) => prepared[i]!.model),
      maxSize,
    ).map((members) => members.map((k) => indices[k]!)),
  );
  return [...groups, ...alone]
    .sort((a, b) => a[0]! - b[0]!)
    .map((indices) => ({ indices, trials: indices.length > 1 ? indices.map((i) => prepared[i]!) : null }));
}

/**
 * Trains trials that `groupWorks` put together, as replicas of one model: each has the result that `runTrial` has, to the bit.
 * @param backup path of the common backup
 * @returns null for a trial that must run alone after all, for example if the memory does not suffice for all at once
 * @throws as `runTrial`
 */
export async function runTogether(trials: readonly PreparedTrial[], backup: string): Promise<(TrialResult | null)[]> {
  const works = trials.map(({ work }) => work);
  const { device, data, fit, signal, saveFreq = 'epoch' } = works[0]!;
  const { executions, epochs, initialEpoch } = works[0]!.description;
  const reports = works.map(({ description }) => new TrialReport(description, device));
  const backupCallback = new TrialBackup(backup, saveFreq);
  let together: Model | null = null;
  try {
    for (const [i, { model }] of trials.entries()) reports[i]!.parameters = model.countParams();
    const shared = new SharedTraining(
      trials.map(({ callbacks }, i) => ({ replicas: executions, callbacks: [...callbacks, reports[i]!.watcher] })),
    );
    const seed = works.flatMap(({ description }) => Array.from({ length: executions }, (_, e) => description.seed + e));
    const models = trials.map(({ model }) => model);
    together = togetherModel(models, { executions }).build(device, { seed });
    const options = { ...fit, epochs, initialEpoch, seed, callbacks: [shared, backupCallback], signal };
    const { interrupted } = await together.fit(data, options);
    const searchError = reports.find(({ watcher }) => watcher.searchError)?.watcher.searchError;
    if (searchError) throw searchError;
    if (interrupted) throw new AbortedError('trials that are trained together: stopped on request');
    const results: (TrialResult | null)[] = [];
    for (const [i, report] of reports.entries()) {
      const failure = shared.failures[i];
      if (failure) results.push(failure.error instanceof AloneError ? null : report.fail(failure.error));
      else {
        const takeModel = () => takeReplicas(together!, models[i]!, { first: i * executions, replicas: executions });
        results.push(await report.end(shared.histories[i]!.diverged, takeModel));
        disposeModel(models[i]!);
      }
    }
    return results;
  } catch (error) {
    if (
      error === backupCallback.failure ||
      reports.some(({ watcher }) => watcher.searchError === error && error !== null)
    )
      throw error;
    if (error instanceof DeviceLostError || (isAbort(error) && signal?.aborted)) throw error;
    await throwIfLost(device, error);
    return works.map(() => null); // run one by one, each trial reports its own error
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
