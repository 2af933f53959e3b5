/**
 * Characters that act on a terminal or are invisible: control characters (C0, DEL and C1, so all escape sequences), lone surrogates, line
 * separators, marks that change the writing direction, and zero-width spaces.
 */
const HIDDEN = /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const NAMES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const escapeCharacter = (character: string): string => {
  const code = character.charCodeAt(0).toString(16);
  return NAMES[character] ?? (code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`);
};

/** Escapes hidden characters in untrusted text, so that a terminal can show it. Line breaks and tabs stay. */
export const toPrintable = (text: string): string =>
  text.replace(HIDDEN, (character) =>
    character === '\n' || character === '\t' ? character : escapeCharacter(character),
  );

/** Like `toPrintable`, but escapes line breaks and tabs too: the result is one line. */
export const toPrintableLine = (text: string): string => text.replace(HIDDEN, escapeCharacter);

/** Escapes hidden characters in JSON text, as \u escapes: it parses to the same value. */
export const toPrintableJson = (json: string): string =>
  json.replace(HIDDEN, (character) =>
    character === '\n' || character === '\t'
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
