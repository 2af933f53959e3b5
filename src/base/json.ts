import { toPrintableLine } from './printable.ts';

/** Lists and objects within each other in files of ours: far more than any has, and far less than runs out of stack. */
const MAX_NESTING = 200;

/** How deep lists and objects are within each other in a text, be it JSON or not, and the entries of the outermost one. */
export function measureJson(json: string): { nesting: number; entries: number } {
  let [depth, nesting, entries] = [0, 0, 1];
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === 0x22)
      isText = !isText; // "
    else if (isText && code === 0x5c)
      at++; // \
    else if (isText) continue;
    else if (code === 0x5b || code === 0x7b)
      nesting = Math.max(nesting, ++depth); // [ {
    else if (code === 0x5d || code === 0x7d)
      depth--; // ] }
    else if (code === 0x2c && depth === 1) entries++; // ,
  }
  return { nesting, entries };
}

/**
 * `JSON.parse` for a file that may be from anywhere.
 * @throws SyntaxError for what is no JSON, saying where in printable words, and for what is nested too deep for what works on it
 */
export function parseJson(json: string, reviver?: (key: string, value: unknown) => unknown): unknown {
  if (measureJson(json).nesting > MAX_NESTING) {
    throw new SyntaxError(`it is nested more than ${MAX_NESTING} levels deep`);
  }
  try {
    return JSON.parse(json, reviver);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new SyntaxError(toPrintableLine(cause.message)); // it quotes the file
  }
}
