import { ArgumentError } from '../base/errors.ts';
import type { Optimizer } from '../nn/index.ts';
import type { FlatOptimizer } from '../nn/optimizers/optimizer.ts';
import type { Rate } from '../nn/optimizers/schedules.ts';
import type { ReplicaRange } from '../nn/weights/weight-copy.ts';
import type { Model } from '../training/index.ts';

/** A callback used something that only a model trained alone has. Its trial can run again, alone. */
export class AloneError extends ArgumentError {
  override readonly name = 'AloneError';
}

/** Properties that a callback may read of a model that trains several trials. */
const READABLE: readonly (string | symbol)[] = [
  ...['title', 'name', 'kind', 'inputShape', 'outputShape', 'layers', 'plannedLayers', 'uses', 'graph', 'getLayer'],
  ...['countParams', 'summary', 'built', 'device', 'trainable', 'constructor', Symbol.toStringTag],
];

/** Returns the model as the callbacks of one trial see it. */
export function createTrialView(model: Model, range: ReplicaRange, stop: { isRequested: boolean }): Model {
  const refuse = (access: string, name: string | symbol) =>
    new AloneError(
      `a callback ${access} model.${String(name)}, which belongs to all trials that are trained together; leave out \`together\`, or the callback`,
    );
  return new Proxy(model, {
    get(target, name) {
      if (name === 'stopTraining') return stop.isRequested;
      if (name === 'parameters') return range;
      if (name === 'replicas') return range.count;
      if (!READABLE.includes(name)) throw refuse('reads', name);
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' && name !== 'constructor' ? value.bind(target) : value;
    },
    set(_, name, value) {
      if (name !== 'stopTraining') throw refuse('assigns', name);
      stop.isRequested = Boolean(value);
      return true;
    },
  });
}

/** Returns the optimizer as the callbacks of one trial see it: with the rates of the trial. */
export function createRateView(optimizer: FlatOptimizer, first: number, count: number): Optimizer {
  const ofTrial = <T>(all: readonly T[]) => all.slice(first, first + count);
  const refuse = () => {
    throw new AloneError('a callback uses an optimizer that serves all trials that are trained together');
  };
  return {
    name: optimizer.name,
    settings: optimizer.settings,
    get learningRate(): number {
      return ofTrial(optimizer.ratesAt(optimizer.iterations + 1))[0]!.rate;
    },
    set learningRate(rate: Rate | readonly Rate[]) {
      const list = Array.isArray(rate) ? (rate as readonly Rate[]) : [rate as Rate];
      if (list.length !== 1 && list.length !== count) {
        throw new ArgumentError(`optimizer: ${list.length} learning rates, but the trial has ${count} replicas`);
      }
      const all = [...optimizer.givenRates];
      for (let r = 0; r < count; r++) all[first + r] = list[r % list.length]!;
      optimizer.learningRate = all;
    },
    get iterations() {
      return optimizer.iterations;
    },
    set iterations(_: number) {
      refuse();
    },
    ratesAt: (t) => ofTrial(optimizer.ratesAt(t)),
    valuesAt: (t) => ({ ...optimizer.valuesAt(t), rates: ofTrial(optimizer.ratesAt(t)) }),
    get fixedRates() {
      const rates = ofTrial(optimizer.givenRates);
      return rates.every((rate) => typeof rate === 'number') ? rates : null;
    },
    slots: [],
    build: refuse,
    apply: refuse,
    dispose: refuse,
  };
}
