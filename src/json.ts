import { printableLine } from './printable.ts';

/** Lists and objects within each other in files of ours: far more than any has, and far less than runs out of stack. */
export const MOST_NESTED = 200;

/** @throws SyntaxError for a text with more lists and objects within each other than any file has */
function checkNesting(json: string): void {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === 0x22)
      isText = !isText; // "
    else if (isText && code === 0x5c)
      at++; // \
    else if (isText) continue;
    else if (code === 0x5b || code === 0x7b)
      depth++; // [ {
    else if (code === 0x5d || code === 0x7d) depth--; // ] }
    if (depth > MOST_NESTED) throw new SyntaxError(`it is nested more than ${MOST_NESTED} levels deep`);
  }
}

/**
 * `JSON.parse` for a file that may be from anywhere.
 * @throws SyntaxError for what is no JSON, saying where in printable words, and for what is nested too deep for what works on it
 */
export function parseJson(json: string, reviver?: (key: string, value: unknown) => unknown): unknown {
  checkNesting(json);
  try {
    return JSON.parse(json, reviver);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new SyntaxError(printableLine(cause.message)); // it quotes the file
  }
}
