import { type ChildProcess, spawn } from 'node:child_process';

/** A Node program of this repository to run. */
export interface Command {
  /** Script and its arguments. */
  args: readonly string[];
  /** Environment variables in addition to those of this process. */
  env?: Record<string, string>;
}

/** How a program ended. */
export interface Ended {
  /** Exit code; null if a signal ended the program. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Why the program was stopped; null if it ended by itself. */
  stopped: 'limit' | 'interrupt' | null;
  seconds: number;
  stdout: string;
  /** End of stderr. */
  stderr: string;
  /** End of stdout and stderr together. */
  output: string;
}

export interface RunOptions {
  /** Working folder. */
  cwd: string;
  /** Seconds after which the program and everything it started are stopped. */
  limit: number;
  /** Stops the program when aborted. */
  signal: AbortSignal;
  /** Called with each line of stderr. */
  onLine(line: string): void;
}

/** Characters of `Ended.output` and `Ended.stderr`. */
const OUTPUT_LENGTH = 6000;
const MAX_STDOUT_LENGTH = 1 << 26;
/** Milliseconds between the request to end and the end by force, and from the end of a program to that of what it left behind. */
const GRACE_MS = 2000;
const isWindows = process.platform === 'win32';

/** Runs a Node program to its end, or stops it. Never throws. */
export function runChild({ args, env }: Command, { cwd, limit, signal, onLine }: RunOptions): Promise<Ended> {
  return new Promise((resolve) => {
    const begun = performance.now();
    const ended: Ended = { code: null, signal: null, stopped: null, seconds: 0, stdout: '', stderr: '', output: '' };
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // In a group of its own, which can be ended as a whole. On Windows, that would open a window, and `taskkill` finds the whole tree.
      detached: !isWindows,
      windowsHide: true,
    });
    const append = (text: string) => {
      ended.output = (ended.output + text).slice(-OUTPUT_LENGTH);
    };
    let line = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      append(text);
      if (ended.stdout.length < MAX_STDOUT_LENGTH) ended.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      append(text);
      ended.stderr = (ended.stderr + text).slice(-OUTPUT_LENGTH);
      const lines = (line + text).split(/[\r\n]+/);
      line = lines.pop() ?? '';
      for (const one of lines) if (one.trim() !== '') onLine(one);
    });

    const timers: NodeJS.Timeout[] = [];
    const after = (ms: number, action: () => void) => void timers.push(setTimeout(action, ms));
    const finish = () => {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', interrupt);
      process.off('exit', end);
      resolve({ ...ended, seconds: (performance.now() - begun) / 1000 });
    };
    const abandon = () => {
      endTree(child, 'SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      finish();
    };
    const stop = (why: 'limit' | 'interrupt') => {
      if (ended.stopped) return;
      ended.stopped = why;
      endTree(child, 'SIGTERM');
      after(GRACE_MS, () => endTree(child, 'SIGKILL'));
      // A process that waits for a driver that hangs cannot be ended.
      after(2 * GRACE_MS, abandon);
    };
    const interrupt = () => stop('interrupt');
    // A second Ctrl-C ends this process at once.
    const end = () => endTree(child, 'SIGKILL');
    process.on('exit', end);

    child.on('error', (error) => {
      append(`${error.message}\n`);
      if (child.pid === undefined) finish(); // it did not start
    });
    child.on('exit', (code, exitSignal) => {
      Object.assign(ended, { code, signal: exitSignal });
      // A program that it started may still hold the pipes.
      after(GRACE_MS, abandon);
    });
    child.on('close', finish);
    after(1000 * limit, () => stop('limit'));
    if (signal.aborted) interrupt();
    else signal.addEventListener('abort', interrupt);
  });
}

/** Ends a program and everything it started. */
function endTree(child: ChildProcess, how: 'SIGTERM' | 'SIGKILL'): void {
  const { pid } = child;
  if (pid === undefined) return;
  if (isWindows) {
    spawn('taskkill', ['/pid', `${pid}`, '/t', '/f'], { stdio: 'ignore', windowsHide: true }).on('error', () => {
      child.kill();
    });
    return;
  }
  try {
    process.kill(-pid, how);
  } catch {
    // all have ended
  }
}
