/** Stack frames to capture: operators are called through layers, scopes and recorded steps. */
const DEPTH = 100;

/** A stack frame of V8, Firefox or Safari: `at f (file:1:2)`, `at file:1:2`, `f@file:1:2`. */
const FRAME = /^\s*(?:at (?:.*? \()?|.*?@)(.+?):(\d+):(\d+)\)?$/;
/** Files of the runtime rather than of a program. */
const RUNTIME = /^(?:node:|ext:|native\b|<anonymous>|eval at )/;

/** The current stack, innermost frame first, regardless of the program's own limit. */
function stackHere(): string {
  const limit = Error.stackTraceLimit; // only V8 has it
  try {
    Error.stackTraceLimit = DEPTH;
    return new Error('here').stack ?? '';
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/**
 * The current line of the user's program, as `path:line:column`: the innermost stack frame outside of tilegrad. If the program and
 * tilegrad are bundled into one file, the outermost frame. Slow: it captures and parses a stack.
 */
export const callSite = (): string => siteIn(stackHere());

/** Like `callSite`, for a given stack whose first frame is in this folder. */
export function siteIn(stack: string): string {
  /** Folder of tilegrad's files as stacks name it, which depends on source maps. */
  let libraryFolder: string | null = null;
  let site = 'a line that this runtime does not report';
  for (const text of stack.split('\n')) {
    const [, file, line, column] = FRAME.exec(text) ?? [];
    if (!file || RUNTIME.test(file)) continue;
    libraryFolder ??= file.replace(/(?:gpu[\\/])?[^\\/]*$/, '');
    site = `${toPath(file)}:${line}:${column}`;
    if (!file.startsWith(libraryFolder)) break;
  }
  return site;
}

/** Converts a `file:` URL to a path, which terminals and editors can open; on Windows it begins with the drive. */
function toPath(file: string): string {
  if (!file.startsWith('file://')) return file;
  try {
    return decodeURIComponent(file.slice('file://'.length)).replace(/^\/(?=[A-Za-z]:)/, '');
  } catch {
    return file; // it has a % that is no escape
  }
}
