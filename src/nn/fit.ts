import { show } from '../check.ts';
import { AbortedError, ArgumentError } from '../errors.ts';
import { checkSeed, RandomStream } from '../random.ts';
import type { BatchSource } from './batch-source.ts';
import { BatchRunner, checkClasses, checkData } from './batches.ts';
import type { BatchLogs, Callback, EpochLogs, History } from './callbacks.ts';
import { Evaluator } from './evaluate.ts';
import type { Model } from './model.ts';
import { Throttle } from './throttle.ts';
import { RunningTotals } from './totals.ts';
import { trainOnBatch } from './training-step.ts';

export interface FitOptions {
  /** Default 1. */
  epochs?: number;
  /** Default 32. A last batch that is shorter trains too, as in Keras. */
  batchSize?: number;
  /** Measured after each epoch. */
  validationData?: BatchSource;
  /** A new order of the samples each epoch, by `seed`. Default true. */
  shuffle?: boolean;
  /** Default 0. The same seed on the same adapter gives the same bits, with the same choice of kernels (`device.choices`). */
  seed?: number;
  callbacks?: readonly Callback[];
  /** Ends training after the step under way; `fit` returns what was done. */
  signal?: AbortSignal;
}

/** Milliseconds between calls of `onBatchEnd`. */
const PROGRESS_INTERVAL = 250;

/** See `Model.fit`. */
export async function fit(model: Model, data: BatchSource, options: FitOptions): Promise<History> {
  const batchSize = checkData('fit', model, data, options);
  const { epochs = 1, seed = 0, validationData, callbacks = [], signal } = options;
  if (!Number.isInteger(epochs) || epochs < 1) {
    throw new ArgumentError(`fit: epochs must be a positive integer, but is ${show(epochs)}`);
  }
  checkSeed(seed);
  checkClasses('fit', model, data);
  const validationBatch = validationData ? Math.min(batchSize, validationData.size) : 0;
  if (validationData) {
    checkData('fit: validationData', model, validationData, { batchSize: validationBatch });
    checkClasses('fit: validationData', model, validationData);
  }

  const { optimizer } = model.training;
  const { device, parameters } = model;
  optimizer.build(parameters);
  const totals = new RunningTotals(device);
  const runner = new BatchRunner(data, batchSize, (batch) =>
    trainOnBatch(model, batch, { seed, state: runner.state, totals }),
  );
  const evaluator = validationData ? new Evaluator(model, validationData, validationBatch) : null;
  const throttle = new Throttle(device);
  const history: History = { epochs: [], interrupted: false, seconds: 0 };
  const begun = performance.now();

  /** Reads the totals now and then without anything waiting for it; errors surface with the epoch's own read. */
  let reading: Promise<void> | null = null;
  let lastRead = begun;
  const progress = (epoch: number, epochBegun: number) => {
    const now = performance.now();
    if (reading || now - lastRead < PROGRESS_INTERVAL || !callbacks.some((c) => c.onBatchEnd)) return;
    lastRead = now;
    reading = totals
      .read()
      .then(async (metrics) => {
        const logs = batchLogs({ epoch, epochs, samplesTotal: data.size, begun: epochBegun }, metrics);
        for (const callback of callbacks) await callback.onBatchEnd?.(logs);
      })
      .finally(() => {
        reading = null;
      });
    reading.catch(() => {});
  };

  try {
    for (const callback of callbacks) await callback.onTrainBegin?.({ model, epochs, samples: data.size, batchSize });
    for (let epoch = 1; epoch <= epochs && !signal?.aborted; epoch++) {
      for (const callback of callbacks) await callback.onEpochBegin?.({ epoch, optimizer });
      const epochBegun = performance.now();
      totals.reset();
      if (options.shuffle ?? true) {
        runner.setOrder(new RandomStream(seed, 'shuffle', epoch).permutation(data.size));
      }
      for (let i = 0; i < runner.stepsPerEpoch && !signal?.aborted; i++) {
        const step = ++optimizer.iterations;
        runner.run(i, { step, stepSize: optimizer.stepSize(step), rate: optimizer.rateAt(step) });
        const idle = await throttle.afterStep();
        if (idle) progress(epoch, epochBegun);
      }
      await reading;
      const { samples, ...metrics } = await totals.read();
      if (samples < data.size) break; // stopped within the epoch
      const seconds = (performance.now() - epochBegun) / 1000;
      const { learningRate } = optimizer;
      const logs: EpochLogs = { epoch, ...metrics, learningRate, seconds, samplesPerSecond: samples / seconds };
      if (evaluator) {
        const measured = await evaluator.run(signal);
        logs.valLoss = measured.loss;
        logs.valAccuracy = measured.accuracy;
      }
      history.epochs.push(logs);
      for (const callback of callbacks) await callback.onEpochEnd?.(logs);
    }
  } catch (error) {
    // An epoch whose validation was cut short is not one that was finished.
    if (!(error instanceof AbortedError && signal?.aborted)) throw error;
  } finally {
    runner.dispose();
    evaluator?.dispose();
    totals.dispose();
  }
  history.interrupted = signal?.aborted === true && history.epochs.length < epochs;
  history.seconds = (performance.now() - begun) / 1000;
  for (const callback of callbacks) await callback.onTrainEnd?.(history);
  return history;
}

function batchLogs(
  { epoch, epochs, samplesTotal, begun }: { epoch: number; epochs: number; samplesTotal: number; begun: number },
  { samples, loss, accuracy }: { samples: number; loss: number; accuracy: number },
): BatchLogs {
  const samplesPerSecond = samples / ((performance.now() - begun) / 1000);
  const samplesLeft = (epochs - epoch + 1) * samplesTotal - samples;
  const secondsLeft = samplesPerSecond > 0 ? samplesLeft / samplesPerSecond : 0;
  return { epoch, epochs, samples, samplesTotal, loss, accuracy, samplesPerSecond, secondsLeft };
}
