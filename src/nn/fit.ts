import { checkOptions, checkSignal, show } from '../check.ts';
import { AbortedError, ArgumentError } from '../errors.ts';
import { checkSeed, RandomStream } from '../random.ts';
import {
  type BatchLogs,
  type Callback,
  checkCallbacks,
  divergedReplicas,
  type EpochLogs,
  type History,
} from './callbacks.ts';
import { Course } from './course.ts';
import { Evaluator } from './evaluate.ts';
import type { Model } from './model.ts';
import { type ClassWeight, type Metrics, meanOf, Objective } from './objective.ts';
import { checkReplicas } from './parameters.ts';
import { describeModel } from './run-description.ts';
import { Throttle } from './throttle.ts';
import { checkTogether, PreparedData, type TrainingData } from './training-data.ts';
import { nextStep, trainingStep } from './training-step.ts';

export interface FitOptions {
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
  /** Batches an epoch takes from a stream. Default: all. */
  stepsPerEpoch?: number;
  /** A new order of the samples each epoch, by `seed`. Default true; a stream keeps its own order. */
  shuffle?: boolean;
  /**
   * Default 0. The same seed on the same adapter gives the same bits, with the same choice of kernels (`device.choices`). Replica
   * r shuffles and drops by `seed + r`.
   */
  seed?: number;
  /**
   * Trains so many copies of the model in the same dispatches, each with its own initial weights, shuffles, dropout and optimiser
   * state, and each bit for bit as if it were trained alone: see `Model.replicate`. Default: as many as the model has.
   */
  replicas?: number;
  callbacks?: readonly Callback[];
  /** Ends training after the step under way; `fit` returns what was done. */
  signal?: AbortSignal;
}

/** Milliseconds between calls of `onBatchEnd`. */
const PROGRESS_INTERVAL = 250;

/** See `Model.fit`. */
export async function fit(model: Model, data: TrainingData, options: FitOptions): Promise<History> {
  checkTogether('fit', data);
  checkFitOptions(options);
  const { epochs = 1, initialEpoch = 0, seed = 0, callbacks = [], signal } = options;
  const { device } = model; // throws before `build`
  const { optimizer } = model.training; // throws before `compile`
  const { replicas = model.replicas } = options;
  checkReplicas('fit', seed, replicas);
  const owned: { dispose(): void }[] = [];
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
  let course: Course | null = null;
  let ending = false;
  try {
    const { training, validation } = prepare(model, data, options, own);
    const batchSize = training.batchSize(options.batchSize);
    const few = validation?.samples ?? null;
    const validationBatch =
      validation?.batchSize(batchSize === null || few === null ? undefined : Math.min(batchSize, few)) ?? null;
    const { form, unchecked } = training;
    optimizer.checkReplicas?.(replicas); // before the model has them for good
    model.replicate(replicas);
    const objective = own(new Objective('fit', model, { form, classWeight: options.classWeight, unchecked }));
    optimizer.build(model.parameters);
    const step = trainingStep(model, objective, seed, () => feed.state);
    const feed = own(training.feed(objective, step, { batchSize, steps: options.stepsPerEpoch ?? null }));
    const evaluator = validation
      ? own(new Evaluator('fit: validationData', model, validation, { batchSize: validationBatch }))
      : null;
    const throttle = new Throttle(device);
    const progress = new ProgressReports(objective, callbacks);
    const stepReports = StepReports.of(objective, callbacks);
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
    });
    const { totals } = objective;
    course = new Course({ model, feed, totals, callbacks, history, initialEpoch, begun, describe });
    const { resume, at } = course;
    const info = { model, optimizer, epochs, initialEpoch, samples: feed.samples, batchSize, monitored, resume };
    // Those that keep the state of training come first: where theirs is refused, no log has been begun anew.
    const [keeping, others] = [true, false].map((is) => callbacks.filter((one) => is === Boolean(one.onSafePoint)));
    for (const callback of [...keeping!, ...others!]) await callback.onTrainBegin?.(info);
    await course.takeUp();
    while (at.epoch <= epochs && (at.begun || !model.stopTraining)) {
      if (signal?.aborted) throw interruption();
      const { epoch } = at;
      if (course.beginEpoch()) for (const callback of callbacks) await callback.onEpochBegin?.({ epoch, optimizer });
      if (feed.samples !== null && (options.shuffle ?? true)) {
        const { samples } = feed;
        const order = (_: unknown, r: number) => new RandomStream(seed + r, 'shuffle', epoch).permutation(samples);
        feed.setOrders?.(Array.from({ length: replicas }, order));
      }
      let cut = false;
      for await (const submit of feed.pass(signal)) {
        cut = signal?.aborted ?? false;
        // Asked for before the first step, it ends training after that one, as in Keras.
        if (cut || (model.stopTraining && at.step > 0)) break;
        submit(() => nextStep(model));
        at.step++;
        const idle = await throttle.afterStep();
        if (idle) progress.afterStep({ epoch, epochs, samplesTotal: feed.samples, seconds: course.seconds.epoch });
        await stepReports?.afterStep(at);
        if (course.watched) await course.safePoint('step');
      }
      await throttle.afterPass();
      await progress.settled();
      const { samples, replicas: figures } = await objective.read();
      if (cut) throw interruption();
      const seconds = course.seconds.epoch;
      const validated = await evaluator?.run(signal);
      const rates = optimizer.ratesAt(optimizer.iterations + 1);
      const about = { seconds, samplesPerSecond: (replicas * samples) / seconds };
      const each = figures.map((own, r): EpochLogs => {
        const learningRate = rates[r % rates.length]!.rate;
        const logs: EpochLogs = { epoch, ...own, learningRate, ...about };
        for (const [name, value] of Object.entries(validated?.[r] ?? {})) logs[valName(name)] = value;
        return logs;
      });
      const { learningRate } = optimizer;
      const logs: EpochLogs = { ...meanOf(each), epoch, learningRate, ...about };
      ending = true;
      history.epochs.push(logs);
      for (const [r, own] of each.entries()) history.replicas[r]!.push(own);
      for (const callback of callbacks) await callback.onEpochEnd?.(logs, each);
      ending = false;
      await course.endEpoch();
    }
  } catch (error) {
    // An epoch that was cut short, in training or in validation, is not one that was finished.
    if (!(error instanceof AbortedError && signal?.aborted)) throw error;
    history.interrupted = history.epochs.length < epochs - initialEpoch;
    // Nor can training be taken up where some callbacks have ended an epoch and others have not.
    if (!ending) await course?.safePoint('interruption');
  } finally {
    for (const resource of owned.reverse()) resource.dispose();
  }
  history.seconds = course?.seconds.whole ?? 0;
  history.diverged = divergedReplicas(history.replicas);
  for (const callback of callbacks) await callback.onTrainEnd?.(history);
  return history;
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
    shuffle: true,
    seed: true,
    replicas: true,
    callbacks: true,
    signal: true,
  });
  const { epochs = 1, initialEpoch = 0, seed = 0, stepsPerEpoch = 1, callbacks = [] } = options;
  const atLeast = (what: string, value: number, least: number) => {
    if (Number.isInteger(value) && value >= least) return;
    throw new ArgumentError(
      `fit: ${what} must be ${least > 0 ? 'a positive integer' : 'an integer from 0 up'}, but is ${show(value)}`,
    );
  };
  atLeast('epochs', epochs, 1);
  atLeast('initialEpoch', initialEpoch, 0);
  atLeast('stepsPerEpoch', stepsPerEpoch, 1);
  checkCallbacks(callbacks);
  checkSignal('fit', options.signal);
  checkSeed(seed, 'fit');
}

/** Training and validation data made ready. As in Keras, `validationData` goes before `validationSplit`. */
function prepare(
  model: Model,
  data: TrainingData,
  options: FitOptions,
  own: <T extends { dispose(): void }>(resource: T) => T,
): { training: PreparedData; validation: PreparedData | null } {
  const whole = own(PreparedData.of('fit', model, data));
  const { validationData, validationSplit, stepsPerEpoch } = options;
  if (stepsPerEpoch !== undefined && whole.source) {
    throw new ArgumentError('fit: stepsPerEpoch is for streams; an epoch of other data is every sample once');
  }
  if (validationData !== undefined) {
    return { training: whole, validation: own(PreparedData.of('fit: validationData', model, validationData)) };
  }
  if (validationSplit === undefined) return { training: whole, validation: null };
  const [training, validation] = whole.split(validationSplit);
  return { training, validation };
}

/** `loss` becomes `valLoss`. */
const valName = (name: string) => `val${name[0]!.toUpperCase()}${name.slice(1)}`;

const interruption = () => new AbortedError('fit: stopped on request');

interface Moment {
  epoch: number;
  epochs: number;
  /** Null where a stream decides. */
  samplesTotal: number | null;
  /** Since the epoch began. */
  seconds: number;
}

/** Calls `onSteps` of the callbacks that want it. */
class StepReports {
  /** Null where none does. @throws ArgumentError for one that does not say when */
  static of(objective: Objective, callbacks: readonly Callback[]): StepReports | null {
    const watchers = callbacks.filter((callback) => callback.onSteps);
    for (const { everySteps } of watchers) {
      if (Number.isInteger(everySteps) && everySteps! > 0) continue;
      throw new ArgumentError(
        `fit: a callback with onSteps needs everySteps, a positive integer, but it is ${show(everySteps)}`,
      );
    }
    return watchers.length > 0 ? new StepReports(objective, watchers) : null;
  }

  private constructor(
    private readonly objective: Objective,
    private readonly watchers: readonly Callback[],
  ) {}

  async afterStep({ epoch, step }: { epoch: number; step: number }): Promise<void> {
    const due = this.watchers.filter(({ everySteps }) => step % everySteps! === 0);
    if (due.length === 0) return;
    const { samples, figures, replicas } = await this.objective.read();
    for (const callback of due) await callback.onSteps!({ epoch, step, samples, logs: figures, replicas });
  }
}

/** Reads the totals now and then without anything waiting for it; what failed surfaces at the next step or the epoch's end. */
class ProgressReports {
  private reading: Promise<void> | null = null;
  private failed: { error: unknown } | null = null;
  private lastRead = performance.now();

  constructor(
    private readonly objective: Objective,
    private readonly callbacks: readonly Callback[],
  ) {}

  /** @throws what a callback threw */
  afterStep(moment: Moment): void {
    this.check();
    const now = performance.now();
    if (this.reading || now - this.lastRead < PROGRESS_INTERVAL || !this.callbacks.some((c) => c.onBatchEnd)) return;
    this.lastRead = now;
    this.reading = this.objective
      .read()
      .then(async (read) => {
        const logs = batchLogs(moment, read);
        for (const callback of this.callbacks) await callback.onBatchEnd?.(logs);
      })
      .catch((error: unknown) => {
        this.failed = { error };
      })
      .finally(() => {
        this.reading = null;
      });
  }

  /** @throws what a callback threw */
  async settled(): Promise<void> {
    await this.reading;
    this.check();
  }

  private check(): void {
    if (this.failed) throw this.failed.error;
  }
}

function batchLogs(
  { epoch, epochs, seconds, ...moment }: Moment,
  { samples, figures, replicas }: { samples: number; figures: Metrics; replicas: readonly Metrics[] },
): BatchLogs {
  const samplesTotal = moment.samplesTotal ?? samples;
  const samplesLeft = (epochs - epoch + 1) * samplesTotal - samples;
  const secondsLeft = samples > 0 ? (samplesLeft * seconds) / samples : 0;
  const samplesPerSecond = (replicas.length * samples) / seconds;
  return { epoch, epochs, samples, samplesTotal, ...figures, samplesPerSecond, secondsLeft };
}
