import { HyperParameters } from './hyperparameters.ts';
import type { Hyperparameter, HyperparameterValues } from './record.ts';

type Scope = readonly Hyperparameter['conditions'][number][];

/**
 * Returns every hyperparameter that a builder requests, in the order of the first requests. The builder runs with the defaults, then once
 * for each conditional scope that was not entered, with values that enter it. A request inside an `if` is found only if the values of one
 * of these runs meet its condition.
 * @param discard receives each result of the builder
 */
export async function exploreSpace(
  build: (hp: HyperParameters) => unknown,
  discard: (built: unknown) => unknown = () => {},
): Promise<Hyperparameter[]> {
  const found = new Map<string, Hyperparameter>();
  const known = new Set<string>();
  const pending: HyperparameterValues[] = [{}];
  for (let values = pending.shift(); values !== undefined; values = pending.shift()) {
    const hp = new HyperParameters({ values });
    await discard(await build(hp));
    for (const h of hp.asked) {
      h.conditions.forEach((_, i) => void known.add(JSON.stringify(h.conditions.slice(0, i + 1))));
      const key = JSON.stringify([h.name, h.conditions]);
      if (!found.has(key)) found.set(key, h);
    }
    for (const scope of hp.skippedScopes) {
      const entering = findEnteringValues(scope);
      if (known.has(JSON.stringify(scope)) || entering === null) continue;
      known.add(JSON.stringify(scope));
      pending.push(entering);
    }
  }
  return [...found.values()];
}

/** Returns values for which all conditions hold; null if two conditions exclude each other. */
function findEnteringValues(scope: Scope): HyperparameterValues | null {
  const values: HyperparameterValues = {};
  for (const { name, values: accepted } of scope) {
    const others = scope.filter((other) => other.name === name);
    const value = accepted.find((candidate) => others.every((other) => other.values.includes(candidate)));
    if (value === undefined) return null;
    values[name] = value;
  }
  return values;
}
