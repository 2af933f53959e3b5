import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { formatValue } from '../base/check.ts';
import { ArgumentError, ShapeError, TilegradError, UsageError } from '../base/errors.ts';

/**
 * Runs code of a user's module. Its errors are not bugs of tilegrad: they are converted to errors that name the file and the line.
 * @param part name of the part of the module, for the message
 * @throws UsageError with the module's error as cause; other errors of tilegrad, such as DataError, as they are
 */
export function inModule<T>(file: string, part: string, run: () => T): T {
  try {
    const result = run();
    if (!(result instanceof Promise)) return result;
    return result.catch((error) => {
      throw moduleError(file, `in ${part}`, error);
    }) as T;
  } catch (error) {
    throw moduleError(file, `in ${part}`, error);
  }
}

/** Converts an error of a module's code to one for the user. @param action what was done: `in buildModel`. @param error anything thrown */
export function moduleError(file: string, action: string, error: unknown): unknown {
  if (error instanceof TilegradError) {
    // Invalid arguments are errors of the module; a missing data set or a lost device is not.
    const line = error instanceof ArgumentError || error instanceof ShapeError ? lineOfStack(file, error) : undefined;
    if (line === undefined || error.message.startsWith(`${file}:`)) return error;
    return new UsageError(`${file}:${line}: ${action}: ${error.message}`, { cause: error });
  }
  const line = lineOf(file, error);
  const text = error instanceof Error ? `${error.name}: ${error.message}` : `${formatValue(error)} was thrown`;
  const advice = adviceFor(error);
  return new UsageError(`${file}${line === undefined ? '' : `:${line}`}: ${action}: ${text}${advice}`, {
    cause: error,
  });
}

function adviceFor(error: unknown): string {
  const { code, message } = codeAndMessage(error);
  const [, name] = /^Cannot find package '([^']+)'/.exec(message) ?? [];
  if (code === 'ERR_MODULE_NOT_FOUND' && name !== undefined) return `; install it, with npm install ${name}`;
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    return (
      `; Node ${process.versions.node} runs JavaScript alone: compile it first, as in ` +
      '`npx esbuild FILE.ts --bundle --packages=external --format=esm --outfile=FILE.mjs`, or, for a .ts, use Node 22.18 or later'
    );
  }
  return '';
}

function codeAndMessage(error: unknown): { code: string; message: string } {
  const { code = '', message = '' } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  return { code, message };
}

/** Returns the line of the file to which an error refers, if it can be found. */
function lineOf(file: string, error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const line = lineOfStack(file, error);
  if (line !== undefined) return line;
  if (error instanceof SyntaxError) return lineOfSyntax(file);
  return codeAndMessage(error).code === 'ERR_MODULE_NOT_FOUND' ? lineOfImport(file, error.message) : undefined;
}

/** Returns the line of the innermost call in the file. */
function lineOfStack(file: string, { stack = '' }: Error): string | undefined {
  const [, after = ''] = stack.split(`${pathToFileURL(resolve(file)).href}:`);
  return /^\d+/.exec(after)?.[0];
}

/** Returns the line of a syntax error. The error itself does not contain it, but `node --check` prints it. */
function lineOfSyntax(file: string): string | undefined {
  const path = resolve(file);
  const { stderr } = spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', timeout: 10_000 });
  const [, after = ''] = (stderr ?? '').split(`${path}:`);
  return /^\d+/.exec(after)?.[0];
}

/** Returns the line of the import that Node did not find, if the file itself contains it. */
function lineOfImport(file: string, message: string): string | undefined {
  const [, missing, importer] = /'([^']+)' imported from (.+?)(?:\n|$)/.exec(message) ?? [];
  if (missing === undefined || importer !== resolve(file)) return undefined;
  const index = readFileSync(importer, 'utf8')
    .split('\n')
    .findIndex((line) => /\b(from|import)\b/.test(line) && line.includes(basename(missing)));
  return index < 0 ? undefined : String(index + 1);
}
