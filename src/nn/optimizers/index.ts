import { didYouMean, formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import { Adam, AdamW } from './adam.ts';
import type { Optimizer } from './optimizer.ts';
import { RMSprop } from './rmsprop.ts';
import { SGD } from './sgd.ts';

export { Adam, type AdamOptions, AdamW, type AdamWOptions } from './adam.ts';
export type { ClipOptions } from './clipping.ts';
export type { Optimizer, OptimizerOptions } from './optimizer.ts';
export { RMSprop, type RMSpropOptions } from './rmsprop.ts';
export { SGD, type SGDOptions } from './sgd.ts';

const optimizerFactories = {
  sgd: () => new SGD(),
  adam: () => new Adam(),
  adamw: () => new AdamW(),
  rmsprop: () => new RMSprop(),
};
/**
 * Optimizers by Keras's names, each with its defaults.
 * @useDeclaredType
 */
export type OptimizerName = keyof typeof optimizerFactories;

/** An optimizer from Keras's name (with its defaults) or an object. @throws ArgumentError for anything else */
export function optimizerOf(optimizer: OptimizerName | Optimizer): Optimizer {
  if (typeof optimizer === 'object' && tryRead('compile', () => typeof optimizer?.apply === 'function'))
    return optimizer;
  if (typeof optimizer !== 'string' || !Object.hasOwn(optimizerFactories, optimizer)) {
    const names = Object.keys(optimizerFactories);
    throw new ArgumentError(
      `compile: optimizer must be an object such as new Adam() or one of ${names.join(', ')}, but is ${formatValue(optimizer)}${didYouMean(optimizer, names)}`,
    );
  }
  return optimizerFactories[optimizer]();
}
