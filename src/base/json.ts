import { toPrintableLine } from './printable.ts';

/** Deepest nesting of lists and objects: far more than tilegrad's files have, and far less than overflows the stack. */
const MAX_NESTING = 200;

/** Nesting depth of lists and objects in a text (valid JSON or not), and the number of entries of the outermost one. */
export function measureJson(json: string): { nesting: number; entries: number } {
  let [depth, nesting, entries] = [0, 0, 1];
  let isText = false;
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === 0x22)
      isText = !isText; // "
    else if (isText && code === 0x5c)
      i++; // \
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
 * `JSON.parse` for an untrusted file.
 * @throws SyntaxError if the text is not JSON, with a printable message, or is nested more than 200 levels deep
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
