import { checkOptions, show } from '../../check.ts';
import { ArgumentError } from '../../errors.ts';
import type { Callback } from '../callbacks.ts';

const HOOKS = ['onTrainBegin', 'onEpochBegin', 'onBatchEnd', 'onSteps', 'onEpochEnd', 'onTrainEnd'] as const;

/** A callback from functions: `new LambdaCallback({ onEpochEnd: (logs) => ... })`. A misspelt hook is an error, not silence. */
export class LambdaCallback implements Callback {
  declare onTrainBegin?: Callback['onTrainBegin'];
  declare onEpochBegin?: Callback['onEpochBegin'];
  declare onBatchEnd?: Callback['onBatchEnd'];
  declare everySteps?: number;
  declare onSteps?: Callback['onSteps'];
  declare onEpochEnd?: Callback['onEpochEnd'];
  declare onTrainEnd?: Callback['onTrainEnd'];

  /** @throws ArgumentError for a hook that there is not, or that is no function */
  constructor(hooks: Pick<Callback, (typeof HOOKS)[number] | 'everySteps'>) {
    checkOptions('LambdaCallback', hooks);
    for (const [name, hook] of Object.entries(hooks)) {
      if (name === 'everySteps') continue; // `fit` checks it
      if (!(HOOKS as readonly string[]).includes(name) || typeof hook !== 'function') {
        throw new ArgumentError(
          `LambdaCallback: takes functions named ${HOOKS.join(', ')}, but ${name} is ${typeof hook === 'function' ? 'none of them' : show(hook)}`,
        );
      }
    }
    Object.assign(this, hooks);
  }
}
