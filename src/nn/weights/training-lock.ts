import { ArgumentError } from '../../base/errors.ts';

/** What takes part in a training that is under way: models, optimizers, callbacks with a state; and the call that trains. */
const locked = new WeakMap<object, string>();

/** @throws ArgumentError if `fit` is training the model: `call` would change it between two steps */
export function checkNotTraining(call: string, model: object): void {
  const trainer = locked.get(model);
  if (trainer === undefined) return;
  throw new ArgumentError(
    `${call}: this model is being trained by ${trainer}, and ${call} would change it between two steps; ` +
      `wait until ${trainer} has ended, callbacks included`,
  );
}

/** @throws ArgumentError if another training uses `part`, an optimizer or a callback called `name` */
export function checkUnused(call: string, name: string, participant: object): void {
  const trainer = locked.get(participant);
  if (trainer === undefined) return;
  throw new ArgumentError(
    `${call}: this ${name} is in use by a training (${trainer}) that is under way; make one for each training`,
  );
}

/**
 * Notes that `call` trains a model with these parts, by their names, until the returned function is called.
 * @throws ArgumentError if the model is being trained, or a part is in use
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
