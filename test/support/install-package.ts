import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { bundle } from '../../scripts/build.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Installs the built tilegrad, without sources, into the `node_modules` of a new folder before the file's tests.
 * @returns the folder, the path of the command, and a function that writes a file into the folder
 */
export function installPackage(): { folder: string; command: string; write(name: string, text: string): string } {
  // Below the repository's node_modules, in which the package finds what it imports.
  const folder = join(root, 'node_modules/.cache', `tilegrad-installed-${process.pid}`);
  const package_ = join(folder, 'node_modules/tilegrad');
  beforeAll(async () => {
    mkdirSync(package_, { recursive: true });
    for (const path of ['bin', 'scripts/setup', 'package.json'])
      cpSync(join(root, path), join(package_, path), { recursive: true });
    symlinkSync(join(root, 'data'), join(package_, 'data'));
    const sources = { index: 'src/index.ts', node: 'src/node.ts', report: 'src/report.ts', cli: 'src/cli/main.ts' };
    await bundle(sources, join(package_, 'dist'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    command: join(package_, 'bin/tilegrad.mjs'),
    write(name, text) {
      writeFileSync(join(folder, name), text);
      return name;
    },
  };
}
