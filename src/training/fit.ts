import { checkOptions, checkSignal, formatValue, listNames } from '../base/check.ts';
import { AbortedError, ArgumentError } from '../base/errors.ts';
import { RandomStream, readSeeds, replicasOfSeeds, type Seeds, seedOf } from '../base/random.ts';
import { checkReplicas } from '../nn/weights/parameters.ts';
import { checkNotTraining, checkUnused, lockTraining } from '../nn/weights/training-lock.ts';
import { PreparedData } from './batches/prepared-data.ts';
import { checkSteps } from './batches/source-batches.ts';
import { checkCombinedData, type TrainingData } from './batches/training-data.ts';
import { type Callback, callbackName, checkCallbacks } from './callbacks/callback.ts';
import { CallbackList } from './callbacks/callback-list.ts';
import { divergedReplicas, type EpochLogs, type History } from './callbacks/logs.ts';
import { ProgressCallbacks, StepCallbacks } from './callbacks/progress-callbacks.ts';
import { Evaluator } from './evaluate.ts';
import { type CacheFeaturesOptions, FeatureCache, readAdapterBytes } from './features/feature-cache.ts';
import { FirstError } from './first-error.ts';
import { type ClassWeight, meanMetrics, Objective } from './objective.ts';
import { FitState } from './state/fit-state.ts';
import { describeModel } from './state/run-description.ts';
import { Throttle } from './throttle.ts';
import type { Trainable } from './trainable.ts';
import { advanceOptimizer, checkTrainable, createTrainingStep } from './training-step.ts';

/** Options of `Model.fit`. */
export interface FitOptions<M = Trainable> {
  /** Number of the last epoch. Default 1. */
  epochs?: number;
  /** Epochs that earlier calls did: this one goes on with the next. Default 0. */
  initialEpoch?: number;
  /** Default 32. A last batch that is shorter trains too, as in Keras. A stream's batches are as large as they come. */
  batchSize?: number;
  /** Measured after each epoch. */
  validationData?: TrainingData;
  /** Instead of `validationData`: the share of the samples, the last ones as they lie, that is measured and not trained on. */
  validationSplit?: number;
  /** Factors by class for the training loss, such as { 0: 1, 1: 5 }; classes that are not named have 1. */
  classWeight?: ClassWeight;
  /** Batches an epoch takes from a stream. Default: all, so that a stream without an end needs it. */
  stepsPerEpoch?: number;
  /**
   * Batches a validation takes from `validationData`, if that is a stream. Default: all. Nobody can see whether a stream has an
   * end: one without needs this, or a `signal` to end it; after 10,000 batches `console.warn` says so.
   */
  validationSteps?: number;
  /** A new order of the samples each epoch, by `seed`. Default true; a stream keeps its own order. */
  shuffle?: boolean;
  /**
   * Default 0. The same seed on the same adapter gives the same bits, with the same choice of kernels (`device.choices`). Replica
   * r shuffles and drops by `seed + r`, or by seed number r in a list, which has one for each replica.
   */
  seed?: Seeds;
  /**
   * Trains so many copies of the model in the same dispatches, each with its own initial weights, shuffles, dropout and optimiser
   * state, and each bit for bit as if it were trained alone: see `Model.replicate`. Default: as many as a list of seeds
   * has, else as the model has.
   */
  replicas?: number;
  /**
   * Computes what the frozen layers at the beginning of the model give only once for each sample of training and validation, and trains
   * the layers after them on that. Losses and metrics are those without it, to rounding. Not for streams. Default false.
   */
  cacheFeatures?: boolean | CacheFeaturesOptions;
  /** Called in this order at each moment of training. Default none. */
  callbacks?: readonly Callback<M>[];
  /** Ends training after the step under way; `fit` returns what was done. */
  signal?: AbortSignal;
}

/** See `Model.fit`. */
export async function fit(model: Trainable, data: TrainingData, options: FitOptions): Promise<History> {
  checkCombinedData('fit', data);
  checkFitOptions(options);
  const { epochs = 1, initialEpoch = 0, callbacks = [], signal } = options;
  const adapterBytes = readAdapterBytes('fit', options.cacheFeatures);
  const { device } = model; // throws before `build`
  const { optimizer } = model.training; // throws before `compile`
  const { replicas = replicasOfSeeds('fit', options.seed ?? 0) ?? model.replicas } = options;
  checkReplicas('fit', replicas);
  const seed = readSeeds('fit', options.seed ?? 0, replicas);
  checkNotTraining('fit', model);
  checkUnused('fit', 'optimizer', optimizer);
  const owned: { close?(signal?: AbortSignal): Promise<void>; dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  const history: History = {
    epochs: [],
    replicas: Array.from({ length: replicas }, () => []),
    interrupted: false,
    diverged: [],
    seconds: 0,
  };
  const begun = performance.now();
  const list = new CallbackList(callbacks);
  const failed = new FirstError();
  let unlock = () => {};
  let course: FitState | null = null;
  let progress: ProgressCallbacks | null = null;
  let ending = false;
  try {
    const given = prepare(model, data, options, own);
    let { training, validation } = given;
    const batchSize = training.batchSize(options.batchSize);
    const validationBatch =
      validation?.batchSize(validation.samples === null ? undefined : (batchSize ?? undefined)) ?? null;
    checkTrainable('fit', model);
    const cache = adapterBytes === null ? null : own(new FeatureCache('fit', model, adapterBytes));
    if (cache) {
      training = cache.add('fit', training, batchSize);
      validation &&= cache.add('fit: validationData', validation, validationBatch);
    }
    const { encoding, unchecked, from } = training;
    optimizer.checkReplicas?.(replicas); // before the model has them for good
    model.replicate(replicas);
    const objective = own(new Objective('fit', model, { encoding, classWeight: options.classWeight, unchecked, from }));
    optimizer.build(model.parameters);
    const step = createTrainingStep(model, objective, seed, () => feed.state);
    const bound = { name: 'stepsPerEpoch', count: options.stepsPerEpoch };
    const feed = own(training.feed(objective, step, { batchSize, bound }));
    const validating = {
      batchSize: validationBatch,
      bound: { name: 'validationSteps', count: options.validationSteps },
    };
    const evaluator = validation ? own(new Evaluator('fit: validationData', model, validation, validating)) : null;
    const throttle = new Throttle(device);
    progress = new ProgressCallbacks(objective, callbacks);
    const stepReports = StepCallbacks.of(objective, callbacks);
    const remembering = callbacks.filter((callback) => callback.state);
    unlock = lockTraining('fit', model, [
      ['optimizer', optimizer],
      ...remembering.map((callback) => [callbackName(callback), callback] as const),
    ]);
    const { frozenKey } = model.parameters;
    model.stopTraining = false;

    const monitored = [...objective.names, ...(evaluator?.objective.names ?? []).map(valName), 'learningRate'];
    const describe = async () => ({
      ...describeModel(model),
      data: await training.describe(),
      validationData: validation && (await validation.describe()),
      ...{ batchSize, validationBatch, seed, initialEpoch },
      shuffle: options.shuffle ?? true,
      classWeight: options.classWeight ?? null,
      stepsPerEpoch: options.stepsPerEpoch ?? null,
      ...(options.validationSteps === undefined ? {} : { validationSteps: options.validationSteps }),
      ...(cache ? { cacheFeatures: true } : {}),
    });
    const { totals } = objective;
    course = new FitState({ model, feed, evaluator, totals, callbacks, history, initialEpoch, begun, describe });
    const { resume, position } = course;
    const seconds = () => course!.seconds.epoch;
    const info = { model, optimizer, epochs, initialEpoch, samples: feed.samples, batchSize, monitored, resume };
    await list.begin(info);
    await course.restore();
    // With the weights that training goes on with.
    await cache?.compute(signal, async (logs) => {
      for (const callback of callbacks) await callback.onFeatures?.(logs);
    });
    while (position.epoch <= epochs && (position.begun || !model.stopTraining)) {
      if (signal?.aborted) throw interruption();
      const { epoch } = position;
      if (course.beginEpoch()) for (const callback of callbacks) await callback.onEpochBegin?.({ epoch, optimizer });
      checkFrozen(model, frozenKey);
      if (feed.samples !== null && (options.shuffle ?? true)) {
        const { samples } = feed;
        const order = (_: unknown, r: number) =>
          new RandomStream(seedOf(seed, r), 'shuffle', epoch).permutation(samples);
        feed.setOrders?.(Array.from({ length: replicas }, order));
      }
      let cut = false;
      for await (const submit of feed.pass(signal)) {
        cut = signal?.aborted ?? false;
        // Asked for before the first step, it ends training after that one, as in Keras.
        if (cut || (model.stopTraining && position.step > 0)) break;
        submit(() => advanceOptimizer(model));
        position.step++;
        if (await throttle.afterStep(progress.isDue))
          progress.afterStep({ epoch, epochs, samplesTotal: feed.samples, seconds });
        await stepReports?.afterStep(position);
        if (course.hasSafePointCallbacks) await course.safePoint('step');
      }
      await throttle.afterPass();
      await progress.finish();
      checkFrozen(model, frozenKey);
      const { samples, replicas: figures } = await objective.read();
      if (cut) throw interruption();
      const epochSeconds = seconds();
      const validated = await evaluator?.run(signal);
      const rates = optimizer.ratesAt(optimizer.iterations + 1);
      const about = { seconds: epochSeconds, samplesPerSecond: (replicas * samples) / epochSeconds };
      const each = figures.map((own, r): EpochLogs => {
        const learningRate = rates[r % rates.length]!.rate;
        const logs: EpochLogs = { epoch, ...own, learningRate, ...about };
        for (const [name, value] of Object.entries(validated?.[r] ?? {})) logs[valName(name)] = value;
        return logs;
      });
      const { learningRate } = optimizer;
      // A model alone has one list of epochs: what callbacks add is in both.
      const logs: EpochLogs = replicas === 1 ? each[0]! : { ...meanMetrics(each), epoch, learningRate, ...about };
      ending = true;
      history.epochs.push(logs);
      for (const [r, own] of each.entries()) history.replicas[r]!.push(own);
      for (const callback of callbacks) await callback.onEpochEnd?.(logs, each);
      ending = false;
      await course.endEpoch();
    }
  } catch (error) {
    await failed.try(async () => {
      // An epoch that was cut short, in training or in validation, is not one that was finished.
      if (!(error instanceof AbortedError && signal?.aborted)) throw error;
      history.interrupted = history.epochs.length < epochs - initialEpoch;
      // Nor can training be taken up where some callbacks have ended an epoch and others have not.
      if (!ending) await course?.safePoint('interruption');
    });
  }
  await failed.try(() => progress?.finish()); // no callback hears of progress after its end
  for (const resource of owned.reverse()) {
    await failed.try(() => resource.close?.(signal));
    await failed.try(() => resource.dispose());
  }
  history.seconds = course?.seconds.whole ?? 0;
  history.interrupted ||= failed.hasError;
  let broken: ReadonlySet<number> = new Set();
  // The loss of an epoch is taken before its last step, which may have spoiled the weights.
  if (!failed.hasError) {
    await failed.try(async () => {
      broken = await model.parameters.nonFiniteReplicas();
    });
  }
  history.diverged = divergedReplicas(history.replicas, broken);
  await list.end(history, failed);
  unlock();
  failed.throw();
  return history;
}

/** @throws ArgumentError where `trainable` of a layer is another than as training began, which a recorded step does not see */
function checkFrozen({ parameters }: Trainable, frozen: string): void {
  if (parameters.frozenKey === frozen) return;
  const now = parameters.frozenKey;
  const layers = parameters.weights
    .filter((_, i) => now[i] !== frozen[i])
    .map(({ name }) => name.replace(/\/[^/]*$/, ''));
  throw new ArgumentError(
    `fit: trainable of ${listNames([...new Set(layers)])} was changed while fit trains the model, but counts from the next fit on; ` +
      'end this one first (model.stopTraining = true), and go on with another, with initialEpoch',
  );
}

/** @throws ArgumentError */
function checkFitOptions(options: FitOptions): void {
  checkOptions('fit', options, {
    epochs: true,
    initialEpoch: true,
    batchSize: true,
    validationData: true,
    validationSplit: true,
    classWeight: true,
    stepsPerEpoch: true,
    validationSteps: true,
    shuffle: true,
    seed: true,
    replicas: true,
    cacheFeatures: true,
    callbacks: true,
    signal: true,
  });
  const { epochs = 1, initialEpoch = 0, seed = 0, callbacks = [] } = options;
  const atLeast = (subject: string, value: number, least: number) => {
    if (Number.isInteger(value) && value >= least) return;
    throw new ArgumentError(
      `fit: ${subject} must be ${least > 0 ? 'a positive integer' : 'an integer from 0 up'}, but is ${formatValue(value)}`,
    );
  };
  atLeast('epochs', epochs, 1);
  atLeast('initialEpoch', initialEpoch, 0);
  checkCallbacks(callbacks);
  checkSignal('fit', options.signal);
  readSeeds('fit', seed);
}

/** Training and validation data made ready. As in Keras, `validationData` goes before `validationSplit`. */
function prepare(
  model: Trainable,
  data: TrainingData,
  options: FitOptions,
  own: <T extends { dispose(): void }>(resource: T) => T,
): { training: PreparedData; validation: PreparedData | null } {
  const whole = own(PreparedData.of('fit', model, data));
  const { validationData, validationSplit, stepsPerEpoch, validationSteps } = options;
  checkSteps('fit', 'stepsPerEpoch', stepsPerEpoch, !whole.source);
  if (validationData !== undefined) {
    const validation = own(PreparedData.of('fit: validationData', model, validationData));
    checkSteps('fit', 'validationSteps', validationSteps, !validation.source);
    return { training: whole, validation };
  }
  if (validationSteps !== undefined) {
    throw new ArgumentError('fit: validationSteps needs validationData, a stream to take so many batches from');
  }
  if (validationSplit === undefined) return { training: whole, validation: null };
  const [training, validation] = whole.split(validationSplit);
  return { training, validation };
}

/** `loss` becomes `valLoss`. */
const valName = (name: string) => `val${name[0]!.toUpperCase()}${name.slice(1)}`;

const interruption = () => new AbortedError('fit: stopped on request');
