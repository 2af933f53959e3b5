import { ArgumentError, TilegradError } from './errors.ts';

/** Formats any value for a message: at most 100 characters, and never throws. */
export function formatValue(value: unknown): string {
  try {
    const text = typeof value === 'number' ? String(value) : (describeObject(value) ?? toJson(value) ?? String(value));
    return text.length > 100 ? `${text.slice(0, 100)}...` : text;
  } catch {
    return typeof value; // it refers to itself, is a BigInt or has no string form
  }
}

/** JSON with only the first 60 elements of each list: messages show no more, and data may have millions of numbers. */
const toJson = (value: unknown) =>
  JSON.stringify(value, (_, part) => describeObject(part) ?? (Array.isArray(part) ? part.slice(0, 60) : part));

/** Types whose JSON is descriptive. */
const PLAIN: readonly string[] = ['Object', 'Array', 'Arguments', 'Boolean', 'Number', 'String', 'Date'];

/** Describes an object whose JSON is not descriptive: `a Promise, to be awaited`, `a Float32Array of 80`, `a Tensor`; else null. */
function describeObject(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1); // no constructor's name: bundlers change those
  if (PLAIN.includes(tag)) return null;
  const kind = `${/^[AEIO]/.test(tag) ? 'an' : 'a'} ${tag}`;
  if (tag === 'Promise') return `${kind}, to be awaited`;
  return ArrayBuffer.isView(value) && 'length' in value ? `${kind} of ${value.length}` : kind;
}

/** Smallest positive normal 32-bit float. WGSL may flush smaller (subnormal) numbers to 0. */
export const SMALLEST_F32 = 2 ** -126;

/** Whether a number stays finite and is not flushed to 0 as a 32-bit float. */
export const isF32 = (value: number): boolean =>
  value === 0 || (Math.abs(value) >= SMALLEST_F32 && Number.isFinite(Math.fround(value)));

/**
 * Returns `value` if kernels can calculate with it.
 * @param name operator or class, and argument; begins the message
 * @throws ArgumentError for a finite number that is infinite, or flushed to 0, as a 32-bit float
 */
export function checkF32(name: string, value: number): number {
  if (isF32(value) || !Number.isFinite(value)) return value;
  const isTiny = Math.abs(value) < 1;
  throw new ArgumentError(
    `${name} is ${formatValue(value)}, which counts as ${isTiny ? '0' : 'infinite'} in the 32-bit floats that kernels calculate with; ` +
      'give a number from 1.2e-38 to 3.4e38 in size, or 0 where that is allowed',
  );
}

/**
 * Returns `read()`, which reads values of the caller. Their getters or proxies may throw.
 * @throws ArgumentError if `read` throws, with that error as its cause
 */
export function tryRead<T>(subject: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof TilegradError) throw cause;
    throw new ArgumentError(
      `${subject}: a value cannot be read (${cause instanceof Error ? cause.message : formatValue(cause)})`,
      {
        cause,
      },
    );
  }
}

/** A copy of a list, with undefined in place of holes; null if `value` is not a list. @throws ArgumentError if it cannot be read */
export const readList = (subject: string, value: unknown): unknown[] | null =>
  tryRead(subject, () => (Array.isArray(value) ? Array.from(value) : null));

/** Most elements that an array can have. */
const MAX_ELEMENTS = 2 ** 32;

/** @throws ArgumentError unless `shape` is a list of integers from 0 up with a product of at most 2^32 */
export function checkShape(subject: string, shape: readonly number[]): void {
  const sizes = readList(subject, shape);
  if (!sizes?.every((n) => Number.isInteger(n) && (n as number) >= 0)) {
    throw new ArgumentError(`${subject}: a shape is a list of integers from 0 up, but ${formatValue(shape)} was given`);
  }
  if ((sizes as number[]).reduce((product, n) => product * n, 1) > MAX_ELEMENTS) {
    throw new ArgumentError(
      `${subject}: a shape of at most 2^32 elements can be made, but ${formatValue(shape)} was given`,
    );
  }
}

/** @throws ArgumentError unless `shape` is a list of positive integers */
export function checkPositiveShape(subject: string, shape: readonly number[]): void {
  if (readList(subject, shape)?.every((n) => Number.isSafeInteger(n) && (n as number) > 0)) return;
  throw new ArgumentError(`${subject} must be a list of positive integers, but is ${formatValue(shape)}`);
}

/**
 * Returns a typed array unchanged, and a copy of any other list of numbers.
 * @throws ArgumentError unless `numbers` is an array or array-like object with numbers only
 */
export function checkNumbers(subject: string, numbers: ArrayLike<number>): ArrayLike<number> {
  const refused = (why: string) => new ArgumentError(`${subject}: must be a list of numbers, but ${why}`);
  if (ArrayBuffer.isView(numbers) && !(numbers instanceof DataView)) {
    if (typeof (numbers as ArrayLike<unknown>)[0] === 'bigint') throw refused('holds BigInts');
    return numbers.length === 0 ? [] : numbers; // an array whose memory was transferred has length 0 too
  }
  if (typeof numbers !== 'object' || numbers === null) throw refused(`is ${formatValue(numbers)}`);
  return tryRead(subject, () => {
    const { length } = numbers;
    if (!Number.isInteger(length) || length < 0) throw refused(`is ${formatValue(numbers)}`);
    const copy: number[] = [];
    for (let i = 0; i < length; i++) {
      if (typeof numbers[i] !== 'number') throw refused(`element ${i} is ${formatValue(numbers[i])}`);
      copy.push(numbers[i]!);
    }
    return copy;
  });
}

/** @throws ArgumentError unless `value` is a function */
export function checkFunction(subject: string, value: unknown): void {
  if (typeof value !== 'function')
    throw new ArgumentError(`${subject}: takes a function, but was given ${formatValue(value)}`);
}

/** @throws ArgumentError unless `signal` is undefined or an AbortSignal */
export function checkSignal(subject: string, signal: AbortSignal | undefined): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new ArgumentError(`${subject}: signal must be an AbortSignal, but is ${formatValue(signal)}`);
}

/** @throws ArgumentError unless `value` is a non-empty string */
export function checkText(subject: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') {
    throw new ArgumentError(`${subject} must be text that is not empty, but is ${formatValue(value)}`);
  }
}

/** The names of a type's options, as keys; their values are ignored. TypeScript rejects a missing or an unknown name. */
export type OptionNames<T> = Readonly<Record<keyof T, unknown>>;

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

/** @throws ArgumentError unless `options` is an object; the message lists `names` if there are any */
export function checkObject(subject: string, options: object, names: readonly string[] = []): void {
  if (isObject(options)) return;
  const known = names.length > 0 ? `; give them by name: { ${names.join(', ')} }` : '';
  throw new ArgumentError(`${subject}: options must be an object, but are ${formatValue(options)}${known}`);
}

/** @throws ArgumentError unless `value` is true or false */
export function checkFlag(subject: string, name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value;
  throw new ArgumentError(`${subject}: ${name} must be true or false, but is ${formatValue(value)}`);
}

/**
 * Checks the first argument of a call whose most important value comes first, before its options.
 * @throws ArgumentError if options were given in its place
 */
export function checkFirst(subject: string, name: string, value: unknown, call: string): void {
  if (!isObject(value)) return;
  throw new ArgumentError(`${subject}: the ${name} first, as in ${call}, but was given ${formatValue(value)}`);
}

/** @throws ArgumentError if there are arguments after those that `subject` takes, as they would be ignored */
export function checkSurplus(subject: string, surplus: readonly unknown[]): void {
  const more = surplus.find((argument) => argument !== undefined);
  if (more === undefined) return;
  throw new ArgumentError(`${subject}: ${formatValue(more)} is an argument more than it takes; leave it out`);
}

/**
 * Returns the options after checking their names: a misspelled option would be ignored silently.
 * @param surplus arguments after the options; any value but undefined is an error
 * @param hints what to use here, by names of options in other libraries
 * @throws ArgumentError unless `options` is an object whose own keys are all in `names`
 */
export function checkOptions<T extends object>(
  subject: string,
  options: T,
  names: OptionNames<NoInfer<T>>,
  surplus: readonly unknown[] = [],
  hints: Readonly<Record<string, string>> = {},
): T {
  if (!isObject(options)) checkObject(subject, options, Object.keys(names).sort()); // sorted only if there is an error, as every operator calls this
  checkSurplus(subject, surplus);
  const unknown = tryRead(subject, () => {
    for (const name in names) void options[name as keyof T];
    return Object.keys(options).find((name) => !Object.hasOwn(names, name));
  });
  if (unknown === undefined) return options;
  const known = Object.keys(names).sort();
  const near = nearName(unknown, known);
  const hint = Object.hasOwn(hints, unknown) ? `; ${hints[unknown]}.` : near ? `; did you mean ${near}?` : '.';
  throw new ArgumentError(
    `${subject}: there is no option ${unknown}${hint} ` +
      `There ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`,
  );
}

/** The first `max` names and the number of the others, to keep messages short. */
export function listNames(names: readonly string[], max = 5): string {
  const more = names.length - max;
  return names.slice(0, max).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** The name that a misspelled one is closest to: the same letters (`batch_size`) or at most two edits; undefined if there is none. */
export function nearName(given: string, names: readonly string[]): string | undefined {
  const letters = (name: string) => name.replaceAll('_', '').toLowerCase();
  const meant = letters(given);
  const near = names
    .map((name) => ({ name, edits: editDistance(meant, letters(name)) }))
    .filter(({ name, edits }) => edits <= 2 && edits < name.length / 2) // `lr` is not `l1`
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.name;
}

/**
 * `; did you mean adam?`, or an empty string if no name is close.
 * @param meant our names, by names that other libraries use
 */
export function didYouMean(
  given: unknown,
  names: readonly string[],
  meant: Readonly<Record<string, string>> = {},
): string {
  if (typeof given !== 'string') return '';
  const name = Object.hasOwn(meant, given) ? meant[given] : nearName(given, names);
  return name ? `; did you mean ${name}?` : '';
}

/** Levenshtein distance: letters to insert, delete or replace to turn `a` into `b`. */
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
