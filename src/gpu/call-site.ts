/** Frames that a stack is asked for: operators are called through layers, scopes and recorded steps. */
const DEPTH = 100;

/** A place in a stack, as V8, Firefox and Safari write it: `at f (file:1:2)`, `at file:1:2`, `f@file:1:2`. */
const FRAME = /^\s*(?:at (?:.*? \()?|.*?@)(.+?):(\d+):(\d+)\)?$/;
/** Of the runtime: nothing a program can be read in. */
const RUNTIME = /^(?:node:|ext:|native\b|<anonymous>|eval at )/;

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
  /** Where tilegrad's own files lie, by the name that stacks have for it, which source maps decide. */
  let libraryFolder: string | null = null;
  let site = 'a line that this runtime does not tell';
  for (const text of stack.split('\n')) {
    const [, file, line, column] = FRAME.exec(text) ?? [];
    if (!file || RUNTIME.test(file)) continue;
    libraryFolder ??= file.replace(/(?:gpu[\\/])?[^\\/]*$/, '');
    site = `${toPath(file)}:${line}:${column}`;
    if (!file.startsWith(libraryFolder)) break;
  }
  return site;
}

/** A `file:` URL as a path, which terminals and editors open; on Windows with its drive first. */
function toPath(file: string): string {
  if (!file.startsWith('file://')) return file;
  try {
    return decodeURIComponent(file.slice('file://'.length)).replace(/^\/(?=[A-Za-z]:)/, '');
  } catch {
    return file; // a % that is no code
  }
}
