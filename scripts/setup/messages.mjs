/** A problem that the user has to fix, as described in its message. Shown without a stack. */
export class SetupError extends Error {}

/** Prints on stderr, so that the output of the command after the set-up can be piped. */
export function say(text) {
  // Some texts come from files, such as the holder of a lock: control characters must not reach the terminal.
  const shown = text.replace(/(?![\n\t])[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[^\\]$/, '?'),
  );
  console.error(shown.replace(/^/gm, '[set-up] '));
}
