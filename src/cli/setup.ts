import { MissingPackageError } from '../base/errors.ts';
import { installLine, type PackageName } from '../base/import-package.ts';
import { type InstalledUse, installedUses } from './installed.ts';
import { type Io, writeLine } from './io.ts';
import { versions } from './versions.ts';

export interface SetupTools {
  /** Returns the name of a working adapter; first installs a driver if there is no adapter and it can. @throws AdapterError */
  ensureAdapter(): string;
}

/**
 * `tilegrad setup`: shows which optional packages are installed, and ensures that there is an adapter.
 * @throws MissingPackageError if Dawn is not installed; AdapterError if no adapter works
 */
export async function setup(
  options: { driver: boolean },
  io: Io,
  loadTools: () => Promise<SetupTools>,
  versionOf?: (name: PackageName) => string | null,
): Promise<void> {
  const { tilegrad, node, platform } = versions();
  writeLine(io.stdout, `tilegrad ${tilegrad}, Node ${node}, ${platform}`);
  const uses = installedUses(versionOf);
  for (const use of uses) writeLine(io.stdout, useText(use));
  if (uses.some(({ versions }) => versions.webgpu === null)) {
    throw new MissingPackageError(
      `training in Node needs the npm package webgpu; run \`${installLine(['webgpu'])}\`, then \`npx tilegrad setup\` again`,
    );
  }
  const adapter = options.driver ? (await loadTools()).ensureAdapter() : 'adapter not checked (--no-driver)';
  writeLine(io.stdout, `ready      ${adapter}`);
}

function useText({ use, versions, install }: InstalledUse): string {
  const names = Object.entries(versions)
    .filter(([, version]) => install === null || version === null)
    .map(([name, version]) => (version === null ? name : `${name} ${version}`));
  const text = `${install === null ? 'installed ' : 'missing   '} ${names.join(', ')}: for ${use}`;
  return install === null ? text : `${text}\n           ${install}`;
}
