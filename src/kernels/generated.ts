// Helpers of kernels whose source is generated for their sizes.

/** Concatenates `piece(i)` for i = 0 .. n - 1. */
export const repeatText = (n: number, piece: (i: number) => string, between = '\n') =>
  Array.from({ length: n }, (_, i) => piece(i)).join(between);

/** Sources that are cached, of about 20 KB each. */
const MAX_CACHED_SOURCES = 512;
const sources = new Map<string, string>();
/** The source that `write` generates for `sizes`. It is cached, because generating it takes longer than the rest of a call. */
export function cachedSource<Sizes>(name: string, write: (sizes: Sizes) => string, sizes: Sizes): string {
  const key = `${name} ${JSON.stringify(sizes)}`;
  const source = sources.get(key) ?? write(sizes);
  sources.set(key, source);
  if (sources.size > MAX_CACHED_SOURCES) sources.delete(sources.keys().next().value!);
  return source;
}
