import { FileError, TilegradError } from '../base/errors.ts';
import { type Io, writeJson, writeLine } from './io.ts';

/** Converts an unexpected error of the system (a file, a folder, a disk), which is not a bug, to a FileError. */
function toTypedError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TilegradError) return error;
  const { syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  const message =
    syscall === 'uv_cwd' ? 'the folder you are in does not exist any more; go to one that does' : error.message;
  return new FileError(message, { cause: error });
}

/** Returns an error in the form of the JSON output and of `run.json`. */
export function describeError(error: unknown): { code: string; message: string } {
  return {
    code: error instanceof TilegradError ? error.code : 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
  };
}

const indent = (text: string) => text.replaceAll('\n', '\n  ');

/**
 * Prints an error and returns the exit code. Every TilegradError says what to do, so only its message is printed; `--debug` adds the
 * stack. With `--json`, `{"error": {code, message}}` is also written to stdout.
 */
export function reportError(thrown: unknown, io: Io, options: { json: boolean; debug: boolean }): number {
  const error = toTypedError(thrown);
  const { code, message } = describeError(error);
  const isUnexpected = !(error instanceof TilegradError);
  // Lines of the message are indented, so that text from a file or a path cannot look like another error.
  writeLine(io.stderr, `${isUnexpected ? 'internal error' : 'error'}: ${indent(message)}`);
  if (options.debug && error instanceof Error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      writeLine(io.stderr, indent(cause.stack ?? ''));
  } else if (isUnexpected) {
    writeLine(io.stderr, 'This is a bug in tilegrad. Run again with --debug to see where it happened.');
  }
  if (options.json) writeJson(io.stdout, { error: { code, message } });
  return error instanceof TilegradError ? error.exitCode : 1;
}
