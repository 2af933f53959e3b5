/** Returns each value once, in the order of their first appearance. */
export const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
