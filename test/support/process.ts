import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { bundle } from '../../scripts/build.mjs';

const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));

/** Bundles a module of this repository for Node before the file's tests. @returns the path of the bundle */
export function bundleBeforeTests(entry: string): string {
  // Below node_modules, so that the bundle finds the packages it imports; not dist/, which may be in use.
  const folder = join(cache, `tilegrad-test-${process.pid}`);
  beforeAll(() => bundle({ main: entry }, folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'main.js');
}

export interface Ended {
  /** Exit code; null if a signal ended the process. */
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

interface RunOptions {
  /** Program that runs `words`; default Node. */
  command?: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  onError?: (err: string, interrupt: () => void) => void;
}

/** Runs a module in a separate process until it ends; `onError` gets the stderr so far and may send a signal. */
export function runToEnd(words: string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // The user's data and tuner cache must not affect the tests.
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
