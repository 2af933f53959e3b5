import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { importPackage, installLine, PACKAGE_USES, type PackageName } from '../base/import-package.ts';

/** A use of optional packages: their versions, and the command that installs the missing ones. */
export interface InstalledUse {
  use: string;
  /** Version by name; null for a package that is not installed. */
  versions: Partial<Record<PackageName, string | null>>;
  /** The npm command for the missing ones; null if none is missing. */
  install: string | null;
}

/** Returns the version of a package that tilegrad would load; null if it is not installed. Loads nothing. */
export function packageVersion(name: string): string | null {
  const require = createRequire(import.meta.url);
  // A manual search: many packages export neither their package.json nor anything to `require`.
  const folders = (require.resolve.paths(name) ?? []).map((folder) => join(folder, name, 'package.json'));
  const manifest = folders.find((path) => existsSync(path)) ?? tryResolve(require, `${name}/package.json`);
  return manifest === null ? null : (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

/** For package managers without a node_modules, such as Yarn's Plug'n'Play. */
function tryResolve(require: NodeJS.Require, specifier: string): string | null {
  try {
    return require.resolve(specifier);
  } catch {
    return null;
  }
}

/**
 * Checks, before training, that a command will be able to draw its report.
 * @throws MissingPackageError
 */
export async function checkDrawing(versionOf = packageVersion): Promise<void> {
  const { names } = PACKAGE_USES.find((use) => use.names.includes('vega'))!;
  // A package that is not found may still load, if a package manager stores its packages elsewhere.
  for (const name of names.filter((candidate) => versionOf(candidate) === null)) {
    await importPackage(name, 'the report at the end of a run', () => import(name));
  }
}

/** Returns the uses of all optional packages. */
export function installedUses(versionOf: (name: PackageName) => string | null = packageVersion): InstalledUse[] {
  return PACKAGE_USES.map(({ use, names }) => {
    const found = names.map((name) => [name, versionOf(name)] as const);
    const isComplete = found.every(([, version]) => version !== null);
    return { use, versions: Object.fromEntries(found), install: isComplete ? null : installLine(names) };
  });
}
