import { ArgumentError } from '../../base/errors.ts';

/** Models, optimizers and stateful callbacks that a running training uses, with the name of the call that trains. */
const locked = new WeakMap<object, string>();

/** @throws ArgumentError if a call such as `fit` is training the model: `call` would change it between two steps */
export function checkNotTraining(call: string, model: object): void {
  const trainer = locked.get(model);
  if (trainer === undefined) return;
  throw new ArgumentError(
    `${call}: this model is being trained by ${trainer}, and ${call} would change it between two steps; ` +
      `wait until ${trainer} has ended, callbacks included`,
  );
}

/** @throws ArgumentError if another training uses the participant, an optimizer or a callback called `name` */
export function checkUnused(call: string, name: string, participant: object): void {
  const trainer = locked.get(participant);
  if (trainer === undefined) return;
  throw new ArgumentError(
    `${call}: this ${name} is in use by a running training (${trainer}); make one for each training`,
  );
}

/**
 * Locks a model and the named participants for the training `call`. The returned function unlocks them.
 * @throws ArgumentError if the model is being trained, or a participant is in use
 */
export function lockTraining(
  call: string,
  model: object,
  participants: readonly (readonly [string, object])[],
): () => void {
  checkNotTraining(call, model);
  for (const [name, participant] of participants) checkUnused(call, name, participant);
  const all = [model, ...participants.map(([, participant]) => participant)];
  for (const one of all) locked.set(one, call);
  return () => {
    for (const one of all) locked.delete(one);
  };
}
