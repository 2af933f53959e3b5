/**
 * What a terminal acts on or does not show: control characters (C0, DEL and C1, so all escape sequences), lone surrogates, line
 * separators, marks that change the direction of what follows, and spaces of no width.
 */
const HIDDEN = /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const NAMES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const escapeCharacter = (character: string): string => {
  const code = character.charCodeAt(0).toString(16);
  return NAMES[character] ?? (code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`);
};

/** Text that may come from anywhere as a terminal may be shown it: what is hidden in it is written out. Lines and tabs stay. */
export const toPrintable = (text: string): string =>
  text.replace(HIDDEN, (character) =>
    character === '\n' || character === '\t' ? character : escapeCharacter(character),
  );

/** The same in one line: line breaks are written out too. */
export const toPrintableLine = (text: string): string => text.replace(HIDDEN, escapeCharacter);

/** The text of JSON with the same characters escaped, which means the same. */
export const toPrintableJson = (json: string): string =>
  json.replace(HIDDEN, (character) =>
    character === '\n' || character === '\t'
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
