import { AbortedError } from '../base/errors.ts';
import { checkNotTraining, checkUnused } from '../nn/weights/training-lock.ts';
import { checkCombinedData, type TrainingData } from './batches/training-data.ts';
import { CallbackList } from './callbacks/callback-list.ts';
import { divergedReplicas, type History } from './callbacks/logs.ts';
import { Disposables } from './disposables.ts';
import { FirstError } from './first-error.ts';
import { checkFitOptions, type FitOptions, type FitSettings, readFitOptions } from './fit-options.ts';
import { type Fit, prepareFit } from './prepare-fit.ts';
import { trainEpoch } from './train-epoch.ts';
import type { Trainable } from './trainable.ts';

/** See `Model.fit`. */
export async function fit(model: Trainable, data: TrainingData, options: FitOptions): Promise<History> {
  checkCombinedData('fit', data);
  checkFitOptions(options);
  const modelReplicas = model.replicas; // throws before `build`
  const { optimizer } = model.training; // throws before `compile`
  const settings = readFitOptions(options, modelReplicas);
  checkNotTraining('fit', model);
  checkUnused('fit', 'optimizer', optimizer);
  const startTime = performance.now();
  const history = emptyHistory(settings.replicas);
  const callbackList = new CallbackList(settings.callbacks);
  const disposables = new Disposables();
  const errors = new FirstError();
  let current: Fit | null = null;
  try {
    current = prepareFit(model, data, settings, { history, startTime, disposables });
    await beginTraining(current, callbackList);
    while (hasNextEpoch(current)) await trainEpoch(current);
  } catch (error) {
    await errors.try(() => interrupt(error, current, history, settings));
  }
  await errors.try(() => current?.progress.finish()); // before `onTrainEnd`, after which no callback may be called
  await disposables.dispose(errors, settings.signal);
  history.seconds = current?.state.seconds.whole ?? 0;
  history.interrupted ||= errors.hasError;
  history.diverged = await findDiverged(model, history, errors);
  await callbackList.end(history, errors);
  current?.unlock();
  errors.throw();
  return history;
}

const emptyHistory = (replicas: number): History => ({
  epochs: [],
  replicas: Array.from({ length: replicas }, () => []),
  interrupted: false,
  diverged: [],
  seconds: 0,
});

/** Calls `onTrainBegin`, restores a resumed training, and computes features with the weights that it continues with. */
async function beginTraining({ state, featureCache, settings, info }: Fit, callbackList: CallbackList): Promise<void> {
  await callbackList.begin(info);
  await state.restore();
  await featureCache?.compute(settings.signal, async (logs) => {
    for (const callback of settings.callbacks) await callback.onFeatures?.(logs);
  });
}

function hasNextEpoch({ model, state: { position }, settings }: Fit): boolean {
  return position.epoch <= settings.epochs && (position.begun || !model.stopTraining);
}

/** Ends training early if `error` is that of the signal. @throws `error` if it is any other, or what a callback throws */
async function interrupt(
  error: unknown,
  current: Fit | null,
  history: History,
  { epochs, initialEpoch, signal }: FitSettings,
): Promise<void> {
  if (!(error instanceof AbortedError && signal?.aborted)) throw error;
  // An epoch that ended early, in training or in validation, is not in the history.
  history.interrupted = history.epochs.length < epochs - initialEpoch;
  // Training cannot be resumed where some callbacks have ended an epoch and others have not.
  if (current && !current.isEndingEpoch) await current.state.safePoint('interruption');
}

/** See `History.diverged`. The loss of an epoch is computed before its last step, which may have broken the weights. */
async function findDiverged(model: Trainable, history: History, errors: FirstError): Promise<number[]> {
  let nonFinite: ReadonlySet<number> = new Set();
  if (!errors.hasError) {
    await errors.try(async () => {
      nonFinite = await model.parameters.nonFiniteReplicas();
    });
  }
  return divergedReplicas(history.replicas, nonFinite);
}
