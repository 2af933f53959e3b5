import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '../base/errors.ts';
import { moduleError } from './module-error.ts';

/**
 * Loads a user's module. @returns its exports by name
 * @param command name of the command that takes the file, for messages: `search`
 * @throws UsageError for a file that is missing, is a folder, or cannot be loaded (with the line, if it can be found)
 */
export async function importUserModule(command: string, file: string): Promise<Record<string, unknown>> {
  const path = resolve(file);
  if (!existsSync(path))
    throw new UsageError(
      `${command}: there is no file ${file}; name a module (.mjs), as in \`npx tilegrad ${command} FILE.mjs\``,
    );
  if (statSync(path).isDirectory()) {
    throw new UsageError(
      `${command}: ${file} is a folder; name the module in it, as in \`npx tilegrad ${command} ${file}/FILE.mjs\``,
    );
  }
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    throw moduleError(file, 'it cannot be loaded', error);
  }
}
