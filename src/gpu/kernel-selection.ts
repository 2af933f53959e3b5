/**
 * Sizes that an operator's best kernel depends on: a flat list of names and whole numbers.
 * @inline
 */
export type ProblemSizes = Readonly<Record<string, number>>;

/**
 * The kernel variant that runs for an operator at certain sizes.
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

/** Key of an operator at certain sizes, such as `conv2d batch=256 height=32 ...`; the tuner's cache has the same keys. */
export function choiceKey(operator: string, sizes: ProblemSizes): string {
  return [operator, ...Object.entries(sizes).map(([name, value]) => `${name}=${value}`)].join(' ');
}

/**
 * Kernel variants of a device, by operator and sizes: those that the tuner measured, and those that ran or were recorded so far.
 * Recorded programs keep their kernels if the selection changes later.
 * @inline
 */
export class KernelSelection {
  /** Fastest variant by `choiceKey`, as the tuner measured it. A rule selects the variant for all other keys. */
  readonly tuned = new Map<string, string>();
  /** Every variant used on this device, by `choiceKey`. Together with the seed and the adapter, they determine all bits of a result. */
  readonly used = new Map<string, Choice>();

  /**
   * The older name of `tuned`.
   * @deprecated Use `tuned`.
   */
  get measured(): Map<string, string> {
    return this.tuned;
  }

  /**
   * The older name of `used`.
   * @deprecated Use `used`.
   */
  get made(): Map<string, Choice> {
    return this.used;
  }
}

/**
 * Runs `body` with a given variant for one operator and sizes; programs recorded in it keep that variant.
 * The selection is restored afterwards. A variant that does not support the adapter is ignored.
 */
export function withForcedVariant<T>(
  selection: KernelSelection,
  { operator, sizes, variant }: Choice,
  body: () => T,
): T {
  const before = [selection.tuned, selection.used].map(
    (map) => [map, [...map]] as [Map<string, unknown>, [string, unknown][]],
  );
  selection.tuned.set(choiceKey(operator, sizes), variant);
  try {
    return body();
  } finally {
    for (const [map, entries] of before) {
      map.clear();
      for (const [key, value] of entries) map.set(key, value);
    }
  }
}
