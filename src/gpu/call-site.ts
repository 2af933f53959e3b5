/** Frames that a stack is asked for: operators are called through layers, scopes and recorded steps. */
const DEPTH = 100;

/** A place in a stack, as V8, Firefox and Safari write it: `at f (file:1:2)`, `at file:1:2`, `f@file:1:2`. */
const FRAME = /^\s*(?:at (?:.*? \()?|.*?@)(.+?):(\d+):(\d+)\)?$/;
/** Of the runtime: nothing a program can be read in. */
const RUNTIME = /^(?:node:|ext:|native\b|<anonymous>|eval at )/;

interface Place {
  file: string;
  line: string;
  column: string;
}

function placesOf(stack: string): Place[] {
  return stack.split('\n').flatMap((text) => {
    const [, file, line, column] = FRAME.exec(text) ?? [];
    return file && !RUNTIME.test(file) ? [{ file, line: line!, column: column! }] : [];
  });
}

/** The stack of the call, innermost first, whatever the program's own limit is. */
function stackHere(): string {
  const limit = Error.stackTraceLimit; // of V8 alone
  try {
    Error.stackTraceLimit = DEPTH;
    return new Error('here').stack ?? '';
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/**
 * The line of the user's program that is being run, as `path:line:column`: the first place of the stack outside of tilegrad. Of a program
 * that is bundled with tilegrad into one file, the outermost place. Slow: it makes a stack and reads it.
 */
export const callSite = (): string => siteIn(stackHere());

/** The same of a stack that begins in this folder. */
export function siteIn(stack: string): string {
  const places = placesOf(stack);
  const here = places[0];
  if (!here) return 'a line that this runtime does not tell';
  // Where tilegrad's own files lie, by the name that stacks have for it, which source maps decide.
  const home = here.file.replace(/(?:gpu[\\/])?[^\\/]*$/, '');
  const { file, line, column } = places.find((place) => !place.file.startsWith(home)) ?? places.at(-1)!;
  return `${shown(file)}:${line}:${column}`;
}

/** A `file:` URL as a path, which terminals and editors open; on Windows with its drive first. */
function shown(file: string): string {
  if (!file.startsWith('file://')) return file;
  try {
    return decodeURIComponent(file.slice('file://'.length)).replace(/^\/(?=[A-Za-z]:)/, '');
  } catch {
    return file; // a % that is no code
  }
}
