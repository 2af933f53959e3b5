import { FileError, TilegradError } from '../base/errors.ts';
import { type Io, writeJson, writeLine } from './io.ts';

/** An error of the system (a file, a folder, a disk) that no command foresaw is not a bug: it becomes a FileError. */
function toTypedError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TilegradError) return error;
  const { syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  const message =
    syscall === 'uv_cwd' ? 'the folder you are in does not exist any more; go to one that does' : error.message;
  return new FileError(message, { cause: error });
}

/** An error as the JSON output and `run.json` hold it. */
export function describeError(error: unknown): { code: string; message: string } {
  return {
    code: error instanceof TilegradError ? error.code : 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
  };
}

const indent = (text: string) => text.replaceAll('\n', '\n  ');

/**
 * Tells an error and returns the exit code. People get the message, since every TilegradError says what to do; the
 * stack, which helps only those who work on tilegrad, comes with `--debug`. With `--json` the same goes to stdout as
 * `{"error": {code, message}}`.
 */
export function reportError(thrown: unknown, io: Io, options: { json: boolean; debug: boolean }): number {
  const error = toTypedError(thrown);
  const { code, message } = describeError(error);
  const unexpected = !(error instanceof TilegradError);
  // Lines of the message are indented, so that none that came from a file or a path can pass for another error.
  writeLine(io.stderr, `${unexpected ? 'internal error' : 'error'}: ${indent(message)}`);
  if (options.debug && error instanceof Error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      writeLine(io.stderr, indent(cause.stack ?? ''));
  } else if (unexpected) {
    writeLine(io.stderr, 'This is a bug in tilegrad. Run again with --debug to see where it happened.');
  }
  if (options.json) writeJson(io.stdout, { error: { code, message } });
  return error instanceof TilegradError ? error.exitCode : 1;
}
