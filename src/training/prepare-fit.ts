import { ArgumentError } from '../base/errors.ts';
import type { Optimizer } from '../nn/optimizers/index.ts';
import { lockTraining } from '../nn/weights/training-lock.ts';
import { PreparedData } from './batches/prepared-data.ts';
import { type Batches, checkSteps } from './batches/source-batches.ts';
import type { TrainingData } from './batches/training-data.ts';
import { callbackName, type TrainInfo } from './callbacks/callback.ts';
import type { History } from './callbacks/logs.ts';
import { ProgressCallbacks, StepCallbacks } from './callbacks/progress-callbacks.ts';
import type { Disposables } from './disposables.ts';
import { validationName } from './epoch-logs.ts';
import { Evaluator } from './evaluate.ts';
import { FeatureCache } from './features/feature-cache.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';
import { Objective } from './objective.ts';
import { FitState } from './state/fit-state.ts';
import { describeModel } from './state/run-description.ts';
import { Throttle } from './throttle.ts';
import type { Trainable } from './trainable.ts';
import { checkTrainable, createTrainingStep } from './training-step.ts';

/** All that a call of `fit` trains with. */
export interface Fit {
  model: Trainable;
  optimizer: Optimizer;
  settings: FitSettings;
  batches: Batches;
  objective: Objective;
  /** Measures the validation data; null without any. */
  evaluator: Evaluator | null;
  /** Null without `cacheFeatures`. */
  featureCache: FeatureCache | null;
  throttle: Throttle;
  progress: ProgressCallbacks;
  /** Null if no callback has `onSteps`. */
  stepCallbacks: StepCallbacks | null;
  state: FitState;
  history: History;
  /** What callbacks are given before training. */
  info: Omit<TrainInfo, 'added'>;
  /** `model.parameters.frozenKey` as the step was recorded. */
  frozenKey: string;
  /** Whether some callbacks may have ended the current epoch and others not. */
  isEndingEpoch: boolean;
  /** Lets other calls change the model again. */
  unlock(): void;
}

/**
 * Uploads the data, records nothing yet, and locks the model.
 * @param disposables receives every resource as it is created, so that a later error leaves none behind
 * @throws ArgumentError, ShapeError, DataError if data or options do not fit the model
 */
export function prepareFit(
  model: Trainable,
  data: TrainingData,
  settings: FitSettings,
  { history, startTime, disposables }: { history: History; startTime: number; disposables: Disposables },
): Fit {
  const { callbacks, classWeight, epochs, initialEpoch, replicas, seed } = settings;
  const { optimizer } = model.training;
  const prepared = prepareData(model, data, settings, disposables);
  checkTrainable('fit', model);
  const featureCache = addFeatureCache(model, settings, prepared, disposables);
  const { training, validation, batchSize, validationBatchSize } = prepared;
  const { encoding, unchecked, startValue } = training;
  optimizer.checkReplicas?.(replicas); // before `replicate`, which cannot be undone
  model.replicate(replicas);
  const objective = disposables.add(new Objective('fit', model, { encoding, classWeight, unchecked, startValue }));
  optimizer.build(model.parameters);
  const step = createTrainingStep(model, objective, seed, () => batches.state);
  const limit = { option: 'stepsPerEpoch', batches: settings.stepsPerEpoch };
  const batches: Batches = disposables.add(training.createBatches(objective, step, { batchSize, limit }));
  const validationOptions = {
    batchSize: validationBatchSize,
    limit: { option: 'validationSteps', batches: settings.validationSteps },
  };
  const evaluator =
    validation && disposables.add(new Evaluator('fit: validationData', model, validation, validationOptions));
  const throttle = new Throttle(model.device);
  const progress = new ProgressCallbacks(objective, callbacks);
  const stepCallbacks = StepCallbacks.create(objective, callbacks);
  const { totals } = objective;
  const describe = () => describeFit(model, settings, prepared);
  const state = new FitState({
    ...{ model, batches, evaluator, totals, callbacks, history, initialEpoch, startTime, describe },
  });
  const monitored = [...objective.names, ...(evaluator?.objective.names ?? []).map(validationName), 'learningRate'];
  const { samples } = batches;
  const { resume } = state;
  const { frozenKey } = model.parameters;
  const unlock = lockTraining('fit', model, [
    ['optimizer', optimizer],
    ...callbacks.filter((callback) => callback.state).map((callback) => [callbackName(callback), callback] as const),
  ]);
  model.stopTraining = false;
  return {
    ...{ model, optimizer, settings, batches, objective, evaluator, featureCache, throttle, progress, stepCallbacks },
    ...{ state, history, frozenKey, unlock, isEndingEpoch: false },
    info: { model, optimizer, epochs, initialEpoch, samples, batchSize, monitored, resume },
  };
}

interface FitData {
  training: PreparedData;
  /** Null without validation. */
  validation: PreparedData | null;
  /** Null for a stream. */
  batchSize: number | null;
  validationBatchSize: number | null;
}

/** Training and validation data with their batch sizes. @throws ArgumentError, ShapeError, DataError */
function prepareData(model: Trainable, data: TrainingData, options: FitOptions, disposables: Disposables): FitData {
  const { training, validation } = splitData(model, data, options, disposables);
  const batchSize = training.batchSize(options.batchSize);
  // A stream of validation data decides the size of its batches.
  const requested = validation?.samples === null ? undefined : (batchSize ?? undefined);
  return { training, validation, batchSize, validationBatchSize: validation?.batchSize(requested) ?? null };
}

/** As in Keras, `validationData` takes precedence over `validationSplit`. */
function splitData(
  model: Trainable,
  data: TrainingData,
  { validationData, validationSplit, stepsPerEpoch, validationSteps }: FitOptions,
  disposables: Disposables,
): Pick<FitData, 'training' | 'validation'> {
  const all = disposables.add(PreparedData.of('fit', model, data));
  checkSteps('fit', 'stepsPerEpoch', stepsPerEpoch, !all.source);
  if (validationData !== undefined) {
    const validation = disposables.add(PreparedData.of('fit: validationData', model, validationData));
    checkSteps('fit', 'validationSteps', validationSteps, !validation.source);
    return { training: all, validation };
  }
  if (validationSteps !== undefined) {
    throw new ArgumentError('fit: validationSteps needs validationData, a stream to take that many batches from');
  }
  if (validationSplit === undefined) return { training: all, validation: null };
  const [training, validation] = all.split(validationSplit);
  return { training, validation };
}

/** With `cacheFeatures`: replaces samples by features in `data`. */
function addFeatureCache(
  model: Trainable,
  { adapterBytes }: FitSettings,
  data: FitData,
  disposables: Disposables,
): FeatureCache | null {
  if (adapterBytes === null) return null;
  const cache = disposables.add(new FeatureCache('fit', model, adapterBytes));
  data.training = cache.add('fit', data.training, data.batchSize);
  data.validation &&= cache.add('fit: validationData', data.validation, data.validationBatchSize);
  return cache;
}

/** What must be the same if training is resumed; the names are in backup files. */
async function describeFit(
  model: Trainable,
  { seed, initialEpoch, shuffle, classWeight, stepsPerEpoch, validationSteps, adapterBytes }: FitSettings,
  { training, validation, batchSize, validationBatchSize }: FitData,
) {
  return {
    ...describeModel(model),
    data: await training.describe(),
    validationData: validation && (await validation.describe()),
    ...{ batchSize, validationBatch: validationBatchSize, seed, initialEpoch, shuffle },
    classWeight: classWeight ?? null,
    stepsPerEpoch: stepsPerEpoch ?? null,
    ...(validationSteps === undefined ? {} : { validationSteps }),
    ...(adapterBytes === null ? {} : { cacheFeatures: true }),
  };
}
