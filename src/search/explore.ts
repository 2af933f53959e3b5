import { HyperParameters } from './hyperparameters.ts';
import type { Hyperparameter, HyperparameterValues } from './record.ts';

type Scope = readonly Hyperparameter['conditions'][number][];

/**
 * Every hyperparameter that a builder asks for, in the order of first asking: it is run with the defaults, and then once for
 * each conditional scope that was not entered, with values that open it. What a builder asks for under a condition of its own, such as
 * an `if`, is found only where the defaults meet the condition.
 * @param build the builder; what it returns is handed to `discard`
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
      const opening = openingOf(scope);
      if (known.has(JSON.stringify(scope)) || opening === null) continue;
      known.add(JSON.stringify(scope));
      pending.push(opening);
    }
  }
  return [...found.values()];
}

/** Values for which all conditions hold; null where two of them exclude each other. */
function openingOf(scope: Scope): HyperparameterValues | null {
  const opening: HyperparameterValues = {};
  for (const { name, values } of scope) {
    const others = scope.filter((other) => other.name === name);
    const value = values.find((candidate) => others.every((other) => other.values.includes(candidate)));
    if (value === undefined) return null;
    opening[name] = value;
  }
  return opening;
}
