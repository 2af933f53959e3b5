import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { TrainingState } from './training-state.ts';

/** Lengths of the arrays and lists in a state of training. */
interface StateSizes {
  weights: readonly number[];
  slots: readonly number[];
  totals: number;
  callbacks: number;
  replicas: number;
  /** Steps of an epoch. */
  steps: number;
}

/**
 * Checks that a state has the form that `fit` captured: storage without checksums, such as IndexedDB, may return damaged data.
 * @param name name of the state in messages
 * @throws ArgumentError if it has another form
 */
export function checkUndamaged(state: TrainingState, sizes: StateSizes, name: string): void {
  const damage = (rule: string) => new ArgumentError(`${name} is damaged: ${rule}; start again without it`);
  const checkArray = (path: string, value: unknown, type: typeof Float32Array | typeof Uint32Array, size: number) => {
    if (!(value instanceof type)) throw damage(`${path} must be a ${type.name}, but is ${formatValue(value)}`);
    if (value.length !== size) throw damage(`${path} has ${value.length} numbers, but must have ${size}`);
  };
  const checkList = (path: string, value: unknown, length: number) => {
    if (!Array.isArray(value)) throw damage(`${path} must be a list, but is ${formatValue(value)}`);
    if (value.length !== length) throw damage(`${path} has ${value.length} entries, but must have ${length}`);
  };
  const checkInteger = (path: string, value: unknown, min: number) => {
    if (!Number.isInteger(value) || (value as number) < min) {
      throw damage(`${path} must be an integer from ${min}, but is ${formatValue(value)}`);
    }
  };
  const { optimizer, position, weights, totals, callbacks, history, seconds } = (state ?? {}) as Partial<TrainingState>;
  checkList('weights', weights, sizes.weights.length);
  for (const [i, size] of sizes.weights.entries()) checkArray(`weights[${i}]`, weights![i], Float32Array, size);
  checkInteger('optimizer.iterations', optimizer?.iterations, 0);
  checkList('optimizer.slots', optimizer?.slots, sizes.slots.length);
  for (const [i, size] of sizes.slots.entries()) {
    checkArray(`optimizer.slots[${i}]`, optimizer!.slots[i], Float32Array, size);
  }
  checkArray('totals', totals, Uint32Array, sizes.totals);
  checkInteger('position.epoch', position?.epoch, 1);
  checkInteger('position.step', position?.step, 0);
  if (position!.step > sizes.steps)
    throw damage(`an epoch has ${sizes.steps} steps, but position.step is ${position!.step}`);
  checkList('history.replicas', history?.replicas, sizes.replicas);
  for (const epochs of [...history!.replicas, history!.epochs]) {
    checkList('history.epochs', epochs, history!.replicas[0]?.length ?? 0);
  }
  if (!Number.isFinite(seconds && seconds.whole + seconds.epoch))
    throw damage(`seconds must be numbers, but is ${formatValue(seconds)}`);
  checkList('callbacks', callbacks, sizes.callbacks);
}
