import { ArgumentError } from './errors.ts';

/** Any value at all, as a message shows it: short, and never an error of its own. */
export function show(value: unknown): string {
  try {
    const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
    return text.length > 100 ? `${text.slice(0, 100)}...` : text;
  } catch {
    return typeof value; // refers to itself, is a BigInt, or cannot be made a string
  }
}

/** The options that a type has, by name. TypeScript refuses a list that misses one or invents one; values say nothing. */
export type OptionNames<T> = Readonly<Record<keyof T, unknown>>;

/** @throws ArgumentError unless `options` is an object, as plain JavaScript might forget */
export function checkObject(what: string, options: object): void {
  if (typeof options !== 'object' || options === null) {
    throw new ArgumentError(`${what}: options must be an object, but are ${show(options)}`);
  }
}

/** @throws ArgumentError unless `value` is true or false */
export function checkFlag(what: string, name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value;
  throw new ArgumentError(`${what}: ${name} must be true or false, but is ${show(value)}`);
}

/** @throws ArgumentError for arguments after those that `what` takes: nobody reads them */
export function checkSurplus(what: string, surplus: readonly unknown[]): void {
  const more = surplus.find((argument) => argument !== undefined);
  if (more === undefined) return;
  throw new ArgumentError(`${what}: ${show(more)} is an argument more than it takes; leave it out`);
}

/**
 * Options as they were given, none of which is misspelt: one that nobody reads would be ignored in silence.
 * @param surplus arguments after the options, of which there may be none
 * @throws ArgumentError unless `options` is an object; for a name of its own, whatever its value, that is none of `names`
 */
export function checkOptions<T extends object>(
  what: string,
  options: T,
  names: OptionNames<NoInfer<T>>,
  surplus: readonly unknown[] = [],
): T {
  checkObject(what, options);
  checkSurplus(what, surplus);
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(names, name));
  if (unknown === undefined) return options;
  const known = Object.keys(names).sort();
  const near = nearName(unknown, known);
  throw new ArgumentError(
    `${what}: there is no option ${unknown}${near === undefined ? '.' : `; did you mean ${near}?`} ` +
      `There ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`,
  );
}

/** The name that was meant, if any is near: one of the same letters (`batch_size`), or with at most two of them wrong. */
function nearName(given: string, names: readonly string[]): string | undefined {
  const letters = (name: string) => name.replaceAll('_', '').toLowerCase();
  const meant = letters(given);
  const near = names
    .map((name) => ({ name, edits: editDistance(meant, letters(name)) }))
    .filter(({ name, edits }) => edits <= 2 && edits < name.length / 2) // `lr` is not `l1`
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.name;
}

/** Letters to put in, take out or replace to make `b` of `a` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1));
    }
    above = row;
  }
  return above[b.length]!;
}
