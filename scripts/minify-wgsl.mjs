// WGSL as it goes out in dist/: the same tokens on the same lines, without comments and without spaces that separate nothing.

/** Spaces and comments up to the next token or the line's end. WGSL has no strings that they could be part of. */
const BLANK = /(?:[ \t\r]|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/g;

/** Characters of names and numbers, and those that operators of two characters are made of: two of a kind may be read as one token. */
const KINDS = [/[\w.]/, /[-+*/%&|^!=<>]/];

/**
 * A shader's text with the same tokens, each on its line: what a compiler says of line 12 is about line 12 of the file, and an error
 * message quotes a statement instead of the whole shader. Line breaks are kept for that; compressed, they cost 3%.
 * @param {string} text
 * @returns {string}
 */
export function minifyWgsl(text) {
  return text.replace(BLANK, (blank, at) => {
    const [before, after] = [text[at - 1] ?? '', text[at + blank.length] ?? ''];
    const separates = KINDS.some((kind) => kind.test(before) && kind.test(after));
    return blank.replace(/[^\n]/g, '') || (separates ? ' ' : '');
  });
}
