/** Something that the user has to put right. */
export class SetupError extends Error {}

/** Speaks on stderr, a line at a time, with nothing in it that acts on a terminal. */
export function say(text: string): void;
