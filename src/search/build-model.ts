import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { Model } from '../training/index.ts';
import type { HyperParameters } from './hyperparameters.ts';

/** Returns a compiled model that is not built yet, with hyperparameters that it requests from `hp`. */
export type BuildModel = (hp: HyperParameters) => Model;

/** Models that builders returned: a builder must return a new model at each call. */
const returnedModels = new WeakSet<Model>();

/**
 * Calls a builder and checks the model that it returns.
 * @throws ArgumentError if the result is not a model, not compiled, built already or returned before; errors of the builder
 */
export function callBuilder(buildModel: BuildModel, hp: HyperParameters): Model {
  const model = buildModel(hp) as unknown;
  if (!(model instanceof Model)) {
    const promise = model instanceof Promise ? '; await asynchronous work before the search' : '';
    throw new ArgumentError(
      `buildModel: must return a model of layers, compiled, but returned ${model === undefined ? 'nothing' : formatValue(model)}${promise}`,
    );
  }
  if (model.built) {
    throw new ArgumentError(
      'buildModel: the model it returned is built on a device already; leave out build(device): the search builds each model with its own seed',
    );
  }
  if (returnedModels.has(model)) {
    throw new ArgumentError(
      'buildModel: it returned the same model twice; make new layers and a new model at each call',
    );
  }
  returnedModels.add(model);
  model.training; // throws if the model is not compiled
  return model;
}
