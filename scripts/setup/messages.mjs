/** Something that the user has to put right; its message says what. Shown without a stack. */
export class SetupError extends Error {}

/** Speaks on stderr, so that the output of the command that set-up precedes can be piped. */
export function say(text) {
  // Some of it comes from files, such as who holds the lock: nothing in it may act on the terminal.
  const shown = text.replace(/(?![\n\t])[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[^\\]$/, '?'),
  );
  console.error(shown.replace(/^/gm, '[set-up] '));
}
