import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { bundle } from '../../scripts/build.mjs';

const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));

/** Bundles a module of this repository for Node before the file's tests. Returns where it then lies. */
export function bundled(entry: string): string {
  // Below node_modules, so that the bundle finds the packages it imports; not dist/, which may be in use.
  const folder = join(cache, `tilegrad-test-${process.pid}`);
  beforeAll(() => bundle({ main: entry }, folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'main.js');
}

export interface Ended {
  /** Null where a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

interface RunOptions {
  /** What runs `words`; default Node. */
  command?: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  onError?: (err: string, interrupt: () => void) => void;
}

/** Runs a module in a process of its own until it ends by itself; `onError` sees stderr grow and may send a signal. */
export function runToEnd(words: string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // Neither the data nor the tuner's cache of whoever runs the tests may have a say.
    const env = { ...process.env, TILEGRAD_DATA: '', TILEGRAD_CACHE: join(cache, 'none'), ...options.env };
    const child = spawn(options.command ?? process.execPath, words, { env, cwd: options.cwd });
    const ended: Ended = { code: null, signal: null, out: '', err: '' };
    child.stdout.on('data', (chunk) => {
      ended.out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      ended.err += chunk;
      options.onError?.(ended.err, () => child.kill('SIGINT'));
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ ...ended, code, signal }));
  });
}
