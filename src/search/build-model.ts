import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { Model } from '../training/index.ts';
import type { HyperParameters } from './hyperparameters.ts';

/** Makes and compiles a model, not built yet, from values that it asks `hp` for. */
export type BuildModel = (hp: HyperParameters) => Model;

/** Models that builders returned: each is to be trained once. */
const returnedModels = new WeakSet<Model>();

/**
 * The model that a builder makes.
 * @throws ArgumentError if the result is not a model, not compiled, built already or returned before; errors of the builder
 */
export function callBuilder(buildModel: BuildModel, hp: HyperParameters): Model {
  const model = buildModel(hp) as unknown;
  if (!(model instanceof Model)) {
    const promise = model instanceof Promise ? '; what it waits for has to be there before the search' : '';
    throw new ArgumentError(
      `buildModel: must return a model of layers, compiled, but returned ${model === undefined ? 'nothing' : formatValue(model)}${promise}`,
    );
  }
  if (model.built) {
    throw new ArgumentError(
      'buildModel: the model it returned is built on a device already; leave out build(device): the search builds each, with a seed of its own',
    );
  }
  if (returnedModels.has(model)) {
    throw new ArgumentError(
      'buildModel: it returned the same model twice; make new layers and a new model at each call',
    );
  }
  returnedModels.add(model);
  model.training; // throws if it is not compiled
  return model;
}
