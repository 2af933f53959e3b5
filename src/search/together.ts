import { checkOptions, formatValue, readList } from '../base/check.ts';
import { ArgumentError, TilegradError } from '../base/errors.ts';
import type { LayerDescription } from '../nn/index.ts';
import {
  BinaryCrossentropy,
  CategoricalCrossentropy,
  CustomLoss,
  Huber,
  MeanAbsoluteError,
  MeanSquaredError,
  SparseCategoricalCrossentropy,
} from '../nn/losses.ts';
import { Adam, AdamW, RMSprop, SGD } from '../nn/optimizers/index.ts';
import type { FlatOptimizer } from '../nn/optimizers/optimizer.ts';
import { Model, modelConfig, modelFromConfig } from '../training/index.ts';
import { metricName } from '../training/metrics/value-metrics.ts';
import { combineConfigs, type ReplicaNumber } from '../training/replica-config.ts';
import { differences } from '../training/state/run-description.ts';
import type { StateValue } from '../training/state/training-state.ts';

/** Optimizers that can be created again with other rates. */
const OPTIMIZERS: readonly unknown[] = [SGD, Adam, AdamW, RMSprop];

/** Losses whose class and settings describe them completely. */
const LOSSES: readonly unknown[] = [
  ...[BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy],
  ...[Huber, MeanAbsoluteError, MeanSquaredError],
];

/** Differences between two models that a message names. */
const MAX_NAMED = 3;

/**
 * Groups models that can be trained in the same dispatches: with the same layers, shapes, loss, metrics and optimizer. They may differ in
 * learning rates, penalties and dropout rates. A model joins the first group that has room and whose first model it matches, so the groups
 * depend only on the models and their order. The group of a model changes none of its bits.
 * @param models compiled and not built yet, as builders return them
 * @param maxSize maximum number of models in a group
 * @returns the indices in `models` of each group's models, in order
 * @throws ArgumentError unless all are compiled models that are not built, and unless `maxSize` is a positive integer
 */
export function groupTrials(models: readonly Model[], maxSize: number): number[][] {
  checkModels('groupTrials', models);
  if (!Number.isSafeInteger(maxSize) || maxSize < 1) {
    throw new ArgumentError(`groupTrials: maxSize must be a positive integer, but is ${formatValue(maxSize)}`);
  }
  const shareables = models.map(shareableOf);
  const groups: { first: Shareable; members: number[] }[] = [];
  const alone: number[][] = [];
  for (const [i, shareable] of shareables.entries()) {
    if (typeof shareable === 'string') {
      alone.push([i]);
      continue;
    }
    const group = groups.find(
      ({ first, members }) => members.length < maxSize && differencesOf(first, shareable).length === 0,
    );
    if (group) group.members.push(i);
    else groups.push({ first: shareable, members: [i] });
  }
  return [...groups.map(({ members }) => members), ...alone].sort((a, b) => a[0]! - b[0]!);
}

/** Returns why a model must be trained alone; null if it can be trained with others. */
export function reasonAlone(model: Model): string | null {
  const shareable = shareableOf(model);
  return typeof shareable === 'string' ? shareable : null;
}

/**
 * Returns one compiled model, not built yet, that trains several models as its replicas: with a list of learning rates, and lists of those
 * penalties and dropout rates that differ. Initial weights of a model (`setInitialWeights`, `loadWeights`) become those of its replicas.
 * The models themselves do not change.
 *
 *     const together = togetherModel(models).build(device, { seed: seeds });
 *     await together.fit(data, { seed: seeds });   // each replica has the bits of its model trained alone with its seed
 *
 * @param options.executions replicas of each model, one after another, each with its own seed. Default 1
 * @throws ArgumentError for models that `groupTrials` does not put into one group; the message names the differences
 */
export function togetherModel(models: readonly Model[], options: { executions?: number } = {}): Model {
  const { executions = 1 } = checkOptions('togetherModel', options, { executions: true });
  checkModels('togetherModel', models);
  if (models.length === 0) throw new ArgumentError('togetherModel: takes a list of models, at least one');
  if (!Number.isSafeInteger(executions) || executions < 1) {
    throw new ArgumentError(`togetherModel: executions must be a positive integer, but is ${formatValue(executions)}`);
  }
  const shareables = models.map((model, i) => {
    const shareable = shareableOf(model);
    if (typeof shareable !== 'string') return shareable;
    throw new ArgumentError(`togetherModel: model ${i} has to be trained alone: ${shareable}`);
  });
  for (const [i, shareable] of shareables.entries()) {
    const found = differencesOf(shareables[0]!, shareable);
    if (found.length === 0) continue;
    const more = found.length > MAX_NAMED ? `; and ${found.length - MAX_NAMED} more` : '';
    throw new ArgumentError(
      `togetherModel: model ${i} differs from model 0, so they cannot share a dispatch: ${found.slice(0, MAX_NAMED).join('; ')}${more}; ` +
        'train them separately, see groupTrials',
    );
  }
  const repeatEach = <T>(values: readonly T[]) => values.flatMap((value) => Array<T>(executions).fill(value));
  const config = combineConfigs(
    shareables.map(({ config }) => config),
    (values): ReplicaNumber => (new Set(values).size === 1 ? values[0]! : repeatEach(values as number[])),
  );
  const { loss, metrics } = models[0]!.training;
  const rates = shareables.map(({ optimizer }) => optimizer.givenRates[0]!);
  const model = modelFromConfig(config);
  model.compile({ optimizer: shareables[0]!.optimizer.withRates(repeatEach(rates)), loss, metrics });
  const initialWeights = shareables.map((shareable) => shareable.initialWeights);
  if (initialWeights.some((values) => values.size > 0))
    model.setInitialWeights(repeatEach(initialWeights), { partial: true });
  return model;
}

/**
 * Builds one of the models that were trained together, with the current weights of its replicas, for `evaluate`, `predict` and `saveModel`.
 * Nothing is read back.
 * @param options.first the first of its replicas. @param options.replicas number of its replicas. Default 1
 * @throws ArgumentError for a model that is built already or has other weights, and for replicas that do not exist
 */
export function takeReplicas(together: Model, model: Model, options: { first: number; replicas?: number }): Model {
  const { first, replicas = 1 } = checkOptions('takeReplicas', options, { first: true, replicas: true });
  const available = together.replicas;
  if (!(Number.isSafeInteger(first) && first >= 0 && Number.isSafeInteger(replicas) && first + replicas <= available)) {
    throw new ArgumentError(
      `takeReplicas: there are ${available} replicas, but ${formatValue(replicas)} were requested from number ${formatValue(first)} on`,
    );
  }
  const shapesOf = ({ weights }: { weights: readonly { name: string; shape: readonly number[] }[] }) =>
    Object.fromEntries(weights.map(({ name, shape }) => [name, [...shape]]));
  const [found] = differences(
    shapesOf({ weights: together.weights.map(({ name, tensor: { shape } }) => ({ name, shape })) }),
    shapesOf(model.plan(model.inputShape)),
  );
  if (found)
    throw new ArgumentError(`takeReplicas: the model has other weights than those that were trained: ${found}`);
  const { device } = together;
  model.build(device, { replicas });
  for (const [i, { tensor }] of together.weights.entries()) {
    const bytes = 4 * tensor.size;
    const to = model.weights[i]!.tensor.array.storage;
    device.copy(tensor.array.storage.view(first * bytes, replicas * bytes), to.view(0, replicas * bytes));
  }
  model.parameters.hasInitialValues = false;
  return model;
}

/** The properties of a model that decide which other models it can be trained with. */
interface Shareable {
  /** The config with the numbers that replicas may differ in. */
  config: LayerDescription;
  /** The rest, which must be the same. */
  structure: StateValue;
  optimizer: FlatOptimizer;
  loss: Model['training']['loss'];
  /** The functions of its metrics, in their order. */
  functions: readonly unknown[];
  initialWeights: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>;
}

/** Returns the properties of a model that can be trained with others, or why it must be trained alone. */
function shareableOf(model: Model): Shareable | string {
  const { optimizer, loss, metrics } = model.training;
  if (!OPTIMIZERS.includes(optimizer.constructor)) return `its optimizer ${optimizer.name} is not one of tilegrad's`;
  const flat = optimizer as FlatOptimizer;
  if (flat.givenRates.length > 1) return 'its optimizer has learning rates of several replicas already';
  const weights = model.plan(model.inputShape).weights;
  const copied = weights.find(({ copyOf }) => copyOf);
  if (copied) return `its weight ${copied.name} begins as a copy of one of another model`;
  const listed = weights.find(({ initialValues }) => Array.isArray(initialValues));
  if (listed) return `its weight ${listed.name} begins with values of several replicas`;
  try {
    const config = modelConfig(model);
    modelFromConfig(config); // throws for layers that only user code can create again
    let isSingle = true;
    const shape = combineConfigs([config], ([value]) => {
      isSingle &&= typeof value === 'number';
      return 0;
    });
    if (!isSingle) return 'a layer of it has numbers of several replicas already';
    const structure = {
      model: JSON.parse(JSON.stringify(shape)) as StateValue,
      optimizer: { name: flat.name, ...flat.settings },
      loss: { name: loss.name, ...loss.settings },
      metrics: metrics.map(metricName),
    };
    const initialValues = weights.flatMap(({ name, shape, initialValues }) =>
      initialValues ? [[name, { shape, data: initialValues as Float32Array }] as const] : [],
    );
    const functions = metrics.flatMap((metric) => (typeof metric === 'string' ? [] : [metric.f]));
    return { config, structure, optimizer: flat, loss, functions, initialWeights: new Map(initialValues) };
  } catch (error) {
    if (error instanceof TilegradError) return error.message;
    throw error;
  }
}

/** Returns the differences between two models that replicas of one model cannot have. */
function differencesOf(a: Shareable, b: Shareable): string[] {
  const found = [...differences(a.structure, b.structure)];
  if (found.length > 0) return found;
  if (!isSameLoss(a.loss, b.loss)) return [`their losses ${a.loss.name} are two functions`];
  return a.functions.every((f, i) => f === b.functions[i]) ? [] : ['their metrics of one name are two functions'];
}

/**
 * Whether two losses are the same: the classes of tilegrad's losses, whose settings are compared before; the functions of custom losses.
 */
function isSameLoss(a: Shareable['loss'], b: Shareable['loss']): boolean {
  if (a === b) return true;
  if (a instanceof CustomLoss || b instanceof CustomLoss) {
    return a instanceof CustomLoss && b instanceof CustomLoss && a.f === b.f && a.targets === b.targets;
  }
  return LOSSES.includes(a.constructor) && a.constructor === b.constructor;
}

/** @throws ArgumentError unless `models` is a list of compiled models that are not built */
function checkModels(subject: string, models: readonly Model[]): void {
  const list = readList(subject, models);
  if (!list) throw new ArgumentError(`${subject}: takes a list of models, but was given ${formatValue(models)}`);
  for (const [i, model] of list.entries()) {
    if (!(model instanceof Model))
      throw new ArgumentError(`${subject}: entry ${i} is not a model, but ${formatValue(model)}`);
    if (model.built) {
      throw new ArgumentError(
        `${subject}: model ${i} is built already; leave out build(device): all models are built together`,
      );
    }
    model.training; // throws before `compile`
  }
}
