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

/** @throws ArgumentError unless `options` is an object, as plain JavaScript might forget */
export function checkOptions(what: string, options: object): void {
  if (typeof options !== 'object' || options === null) {
    throw new ArgumentError(`${what}: options must be an object, but are ${show(options)}`);
  }
}
