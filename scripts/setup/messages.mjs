/** Something that the user has to put right; its message says what. Shown without a stack. */
export class SetupError extends Error {}

/** Speaks on stderr, so that the output of the command that set-up precedes can be piped. */
export function say(text) {
  console.error(text.replace(/^/gm, '[set-up] '));
}
