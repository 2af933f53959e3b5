import { checkOptions, show } from '../../check.ts';
import { ArgumentError } from '../../errors.ts';
import type { Callback } from '../callbacks.ts';

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

/** A callback from functions: `new LambdaCallback({ onEpochEnd: (logs) => ... })`. A misspelt hook is an error, not silence. */
export class LambdaCallback implements Callback {
  declare onTrainBegin?: Callback['onTrainBegin'];
  declare onFeatures?: Callback['onFeatures'];
  declare onEpochBegin?: Callback['onEpochBegin'];
  declare onBatchEnd?: Callback['onBatchEnd'];
  declare everySteps?: number;
  declare onSteps?: Callback['onSteps'];
  declare onEpochEnd?: Callback['onEpochEnd'];
  declare adds?: Callback['adds'];
  declare onTrainEnd?: Callback['onTrainEnd'];

  /** @throws ArgumentError for a hook that there is not, or that is no function */
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
        throw new ArgumentError(`LambdaCallback: a hook is a function, but ${name} is ${show(hook)}`);
      }
    }
    Object.assign(this, hooks);
  }
}
