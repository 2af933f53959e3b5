/** Converts a value to what JSON stores: numbers that are not finite become null, and so does undefined. */
export const toPlainJson = <T>(value: T): T => JSON.parse(JSON.stringify(value ?? null)) as T;
