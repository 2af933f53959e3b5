import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { bundle } from '../../scripts/build.mjs';

const folder = join(import.meta.dirname, `../../node_modules/.cache/tilegrad-jobs-${process.pid}`);
let built: Promise<void> | undefined;
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  const { rmSync } = await import('node:fs');
  rmSync(folder, { recursive: true, force: true });
});

/** Ends the processes that a test has left running. */
export function killChildren(): void {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
}

export interface Child {
  /** Its output so far. */
  out(): string;
  /** Waits until it has printed `text`. */
  prints(text: string | RegExp): Promise<void>;
  /** SIGSTOP, SIGCONT and the like. */
  signal(name: NodeJS.Signals): void;
  /** Kills it, as a power cut would. */
  kill(): Promise<void>;
  /** Asks it to end. */
  end(): Promise<number | null>;
  /** Waits until it ends by itself. */
  ended: Promise<number | null>;
}

/** Starts test/support/job-process.ts with these arguments, in a separate process. */
export async function startChild(words: string[], env: NodeJS.ProcessEnv = {}): Promise<Child> {
  built ??= bundle({ 'job-process': 'test/support/job-process.ts' }, folder);
  await built;
  const child = spawn(process.execPath, [join(folder, 'job-process.js'), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  children.add(child);
  let text = '';
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
      for (const watcher of watchers) watcher();
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  const one: Child = {
    out: () => text,
    prints: (wanted) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (typeof wanted === 'string' ? !text.includes(wanted) : !wanted.test(text)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
        void ended.then((code) => reject(new Error(`ended with ${code} before it printed ${wanted}: ${text}`)));
      }),
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async end() {
      child.kill('SIGTERM');
      return ended;
    },
    ended,
  };
  await one.prints('ready');
  return one;
}
