import { checkOptions, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Callback } from './callback.ts';

type Hooks = Pick<
  Callback,
  | 'onTrainBegin'
  | 'onFeatures'
  | 'onEpochBegin'
  | 'onBatchEnd'
  | 'everySteps'
  | 'onSteps'
  | 'onEpochEnd'
  | 'adds'
  | 'onTrainEnd'
>;

/** Without `undefined`, which differs from a missing hook in programs with `exactOptionalPropertyTypes`. */
type Hook<Name extends keyof Callback> = NonNullable<Callback[Name]>;

/** A callback from functions: `new LambdaCallback({ onEpochEnd: (logs) => ... })`. A misspelled hook is an error. */
export class LambdaCallback implements Callback {
  declare onTrainBegin?: Hook<'onTrainBegin'>;
  declare onFeatures?: Hook<'onFeatures'>;
  declare onEpochBegin?: Hook<'onEpochBegin'>;
  declare onBatchEnd?: Hook<'onBatchEnd'>;
  declare everySteps?: number;
  declare onSteps?: Hook<'onSteps'>;
  declare onEpochEnd?: Hook<'onEpochEnd'>;
  declare adds?: Hook<'adds'>;
  declare onTrainEnd?: Hook<'onTrainEnd'>;

  /**
   * @param hooks functions by their names in `Callback`: all but `onSafePoint`, `state` and `restore`; also `everySteps` and `adds`
   * @throws ArgumentError if a hook is unknown or not a function
   */
  constructor(hooks: Hooks, ...surplus: never[]) {
    checkOptions(
      'LambdaCallback',
      hooks,
      {
        onTrainBegin: true,
        onFeatures: true,
        onEpochBegin: true,
        onBatchEnd: true,
        everySteps: true,
        onSteps: true,
        onEpochEnd: true,
        adds: true,
        onTrainEnd: true,
      },
      surplus,
    );
    for (const [name, hook] of Object.entries(hooks)) {
      if (name === 'everySteps' || name === 'adds') continue; // `fit` checks them
      if (typeof hook !== 'function') {
        throw new ArgumentError(`LambdaCallback: a hook is a function, but ${name} is ${formatValue(hook)}`);
      }
    }
    Object.assign(this, hooks);
  }
}
