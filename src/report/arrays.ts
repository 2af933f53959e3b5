/** Each value once, in the order in which they first appear. */
export const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
