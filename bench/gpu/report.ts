import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, homedir, platform, release, totalmem, version } from 'node:os';
import { join, sep } from 'node:path';
import type { AdapterInfo } from '../../src/node.ts';

/** `ok`, `failed` (see `exitCode`), stopped at its `limit`, stopped by Ctrl-C (`interrupted`), or `not run`. */
export type Status = 'ok' | 'failed' | 'limit' | 'interrupted' | 'not run';

/** A part in the file. */
export interface PartReport {
  name: string;
  status: Status;
  /** Null if a signal ended the part, or if it did not run. */
  exitCode: number | null;
  signal: string | null;
  seconds: number;
  limitSeconds: number;
  /** The figures, also of a part that was stopped or failed; null if there are none. */
  result: unknown;
  /** Why there are no figures, or null. */
  noResult: string | null;
  /** End of what the part printed, unless it is `ok`. */
  output: string | null;
}

/** The file that `npm run gpu` writes. */
export interface Report {
  /** Version of this form. */
  format: 1;
  /** What computed: everything on a software adapter is the speed of a CPU. */
  hardware: 'GPU' | 'CPU' | 'unknown';
  adapter: Pick<AdapterInfo, 'name' | 'vendor' | 'architecture' | 'driver' | 'isSoftware'> | null;
  /** Version of the package; commit and whether files differ from it, in a clone with git. */
  tilegrad: { version: string; commit: string | null; modified: boolean | null };
  node: string;
  os: { platform: string; arch: string; release: string; version: string };
  cpu: { model: string; cores: number; memoryGiB: number };
  begun: string;
  /** Null while parts are running, and if the run was killed. */
  ended: string | null;
  seconds: number;
  parts: PartReport[];
}

/** Returns a report with all that is known before the first part. */
export function emptyReport(root: string, parts: readonly { name: string; limit: number }[]): Report {
  const processors = cpus();
  return {
    format: 1,
    hardware: 'unknown',
    adapter: null,
    tilegrad: versionOf(root),
    node: process.version,
    os: { platform: platform(), arch: arch(), release: release(), version: version() },
    cpu: {
      model: processors[0]?.model ?? '',
      cores: processors.length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
    },
    begun: new Date().toISOString(),
    ended: null,
    seconds: 0,
    parts: parts.map(({ name, limit }) => ({
      ...{ name, status: 'not run', exitCode: null, signal: null, seconds: 0, limitSeconds: limit },
      ...{ result: null, noResult: null, output: null },
    })),
  };
}

function versionOf(root: string): Report['tilegrad'] {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const git = (...args: string[]) => {
    const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8', windowsHide: true });
    return status === 0 ? stdout.trim() : null; // there is no git, or this is no clone
  };
  const changes = git('status', '--porcelain', '--untracked-files=no');
  return { version, commit: git('rev-parse', 'HEAD'), modified: changes === null ? null : changes !== '' };
}

/** Returns the text of the file. Paths of the repository and of the user's folder are shortened, because the file is sent to others. */
export function reportText(report: Report, root: string, home = homedir()): string {
  const shorten = hidePaths([
    [root, '.'],
    [home, '~'],
  ]);
  return `${JSON.stringify(report, (_key, value) => (typeof value === 'string' ? shorten(value) : value), 2)}\n`;
}

/** Returns a function that replaces folders in a text, with slashes of either kind. */
export function hidePaths(folders: readonly (readonly [folder: string, replacement: string])[]) {
  const patterns = folders
    .map(([folder, replacement]) => [folder.replace(/[\\/]+$/, ''), replacement] as const)
    .filter(([folder]) => folder.length > 2) // not a whole disk
    .map(([folder, replacement]) => {
      const names = folder.split(/[\\/]/).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      // In URLs, the spaces of a path are written as %20; on Windows, case does not matter.
      const pattern = names.map((name) => name.replaceAll(' ', '(?: |%20)')).join('[\\\\/]+');
      return [new RegExp(`${pattern}(?![\\w-])`, sep === '\\' ? 'gi' : 'g'), replacement] as const;
    });
  return (text: string) =>
    patterns.reduce((shorter, [pattern, replacement]) => shorter.replace(pattern, replacement), text);
}
