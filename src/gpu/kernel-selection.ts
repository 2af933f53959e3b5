/**
 * Sizes that an operator's best kernel depends on: a flat list of names and whole numbers.
 * @inline
 */
export type ProblemSizes = Readonly<Record<string, number>>;

/**
 * A choice between kernels that was made: for which operator and sizes, and which variant.
 * @inline
 */
export interface Choice {
  /** Name of the operator, such as `conv2d`. */
  operator: string;
  /** Sizes that the best kernel depends on, by name. */
  sizes: ProblemSizes;
  /** Name of the kernel variant. */
  variant: string;
}

/** `conv2d batch=256 height=32 ...`: names an operator at certain sizes, in the tuner's cache too. */
export function choiceKey(operator: string, sizes: ProblemSizes): string {
  return [operator, ...Object.entries(sizes).map(([name, value]) => `${name}=${value}`)].join(' ');
}

/**
 * Which variant of an operator's kernels runs at which sizes on a device: what was measured, and what was chosen so far.
 * Recorded programs keep the kernels they were recorded with.
 * @inline
 */
export class KernelSelection {
  /** Variants by `choiceKey`, as the tuner found them. */
  readonly tuned = new Map<string, string>();
  /** Every choice made on this device, by `choiceKey`. With the seed and the adapter it decides all bits. */
  readonly used = new Map<string, Choice>();
}

/**
 * Runs `body` with a variant in the place of the one that would be chosen: programs that it records keep it. Afterwards all is as it was.
 * A variant that does not serve the adapter is not taken.
 */
export function withForcedVariant<T>(choices: KernelSelection, { operator, sizes, variant }: Choice, body: () => T): T {
  const before = [choices.tuned, choices.used].map(
    (map) => [map, [...map]] as [Map<string, unknown>, [string, unknown][]],
  );
  choices.tuned.set(choiceKey(operator, sizes), variant);
  try {
    return body();
  } finally {
    for (const [map, entries] of before) {
      map.clear();
      for (const [key, value] of entries) map.set(key, value);
    }
  }
}
