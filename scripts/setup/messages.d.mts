/** A problem that the user has to fix. */
export class SetupError extends Error {}

/** Prints on stderr, with escaped control characters. */
export function say(text: string): void;
