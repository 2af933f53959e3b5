/** The path of every node of a value, as a list of keys. */
export function* pathsIn(value: unknown, path: (string | number)[] = []): Generator<(string | number)[]> {
  if (path.length > 0) yield path;
  if (typeof value !== 'object' || value === null) return;
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  for (const key of keys) yield* pathsIn((value as Record<string | number, unknown>)[key], [...path, key]);
}

/** Replaces the value at a path, or removes it for `undefined`, in JSON data. */
export function withValueAt<T>(value: T, path: readonly (string | number)[], to: unknown): T {
  const copy = structuredClone(value);
  let parent = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as typeof parent;
  if (to === undefined) delete parent[path.at(-1)!];
  else parent[path.at(-1)!] = to;
  return JSON.parse(JSON.stringify(copy));
}

const objectWithKey = (name: string, value: unknown) =>
  JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`);
const nestedList = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

/** Values that a malicious JSON file may have at any path. */
export const hostileValues: readonly unknown[] = [
  ...[undefined, null, true, -1, 0, 1.5, 1e9, 2 ** 53, 1e300],
  ...['', 'map', '__proto__', 'constructor', 'x'.repeat(10_000)],
  ...[[], {}, [[]], [-1], [1e9, 1e9, 3], [1e300], [6, 6, 2], ['map'], nestedList(150), new Array(5000).fill(1)],
  ...[
    objectWithKey('__proto__', { units: 3 }),
    objectWithKey('constructor', 1),
    objectWithKey('toString', 1),
    objectWithKey('length', 1),
  ],
];
