import { listNames } from '../base/check.ts';
import { AbortedError, ArgumentError } from '../base/errors.ts';
import { RandomStream, seedOf } from '../base/random.ts';
import { epochLogs } from './epoch-logs.ts';
import type { Metrics } from './objective.ts';
import type { Fit } from './prepare-fit.ts';
import { advanceOptimizer } from './training-step.ts';

/**
 * Trains and validates the epoch at `fit.state.position`; a resumed one continues after the steps that were trained before.
 * @throws AbortedError if the signal ends it before it is complete; what a callback throws
 */
export async function trainEpoch(fit: Fit): Promise<void> {
  const { optimizer, objective, evaluator, state } = fit;
  const { callbacks, signal } = fit.settings;
  if (signal?.aborted) throw abortedError();
  const { epoch } = state.position;
  if (state.beginEpoch()) for (const callback of callbacks) await callback.onEpochBegin?.({ epoch, optimizer });
  checkFrozen(fit);
  shuffleReplicas(fit, epoch);
  const isAborted = await trainSteps(fit, epoch);
  checkFrozen(fit);
  const { samples, replicas: training } = await objective.read();
  if (isAborted) throw abortedError();
  const seconds = state.seconds.epoch;
  const validation = await evaluator?.run(signal);
  await logEpoch(fit, { epoch, samples, seconds, training, validation });
  await state.endEpoch();
}

/** Gives each replica the order of its samples in this epoch; a stream keeps its order. */
function shuffleReplicas({ batches, settings: { shuffle, seed, replicas } }: Fit, epoch: number): void {
  const { samples } = batches;
  if (samples === null || !shuffle) return;
  const orderOf = (r: number) => new RandomStream(seedOf(seed, r), 'shuffle', epoch).permutation(samples);
  batches.setOrders?.(Array.from({ length: replicas }, (_, r) => orderOf(r)));
}

/** Submits the remaining steps of the epoch and waits for them. @returns whether the signal ended them */
async function trainSteps(fit: Fit, epoch: number): Promise<boolean> {
  const { model, batches, throttle, progress, stepCallbacks, state } = fit;
  const { epochs, signal } = fit.settings;
  const { position } = state;
  const epochProgress = { epoch, epochs, samplesTotal: batches.samples, seconds: () => state.seconds.epoch };
  let isAborted = false;
  for await (const submit of batches.pass(signal)) {
    isAborted = signal?.aborted ?? false;
    // If `stopTraining` is set before the first step, training ends after that step, as in Keras.
    if (isAborted || (model.stopTraining && position.step > 0)) break;
    submit(() => advanceOptimizer(model));
    position.step++;
    if (await throttle.afterStep(progress.isDue)) progress.afterStep(epochProgress);
    await stepCallbacks?.afterStep(position);
    if (state.hasSafePointCallbacks) await state.safePoint('step');
  }
  await throttle.afterPass();
  await progress.finish();
  return isAborted;
}

/** Adds the epoch to the history and calls `onEpochEnd`. */
async function logEpoch(
  fit: Fit,
  result: {
    epoch: number;
    samples: number;
    seconds: number;
    training: readonly Metrics[];
    validation: readonly Metrics[] | undefined;
  },
): Promise<void> {
  const { optimizer, history, settings } = fit;
  const rates = optimizer.ratesAt(optimizer.iterations + 1).map(({ rate }) => rate);
  const { logs, replicas } = epochLogs({ ...result, rates, learningRate: optimizer.learningRate });
  fit.isEndingEpoch = true;
  history.epochs.push(logs);
  for (const [r, replicaLogs] of replicas.entries()) history.replicas[r]!.push(replicaLogs);
  for (const callback of settings.callbacks) await callback.onEpochEnd?.(logs, replicas);
  fit.isEndingEpoch = false;
}

/** @throws ArgumentError if `trainable` of a layer was changed since training began: the recorded step does not see it */
function checkFrozen({ model: { parameters }, frozenKey }: Fit): void {
  const current = parameters.frozenKey;
  if (current === frozenKey) return;
  const layers = parameters.weights
    .filter((_, i) => current[i] !== frozenKey[i])
    .map(({ name }) => name.replace(/\/[^/]*$/, ''));
  throw new ArgumentError(
    `fit: trainable of ${listNames([...new Set(layers)])} was changed while fit trains the model, but it takes effect only in the next fit; ` +
      'end this fit first (model.stopTraining = true) and continue with another one, with initialEpoch',
  );
}

const abortedError = () => new AbortedError('fit: stopped on request');
