import { toPrintable, toPrintableJson } from '../base/printable.ts';

/** A stream that the command line writes to, such as `process.stdout`. */
export interface OutputStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** All that the command line uses of the process, so that tests can replace the terminal and Ctrl-C. */
export interface Io {
  stdout: OutputStream;
  stderr: OutputStream;
  env: Record<string, string | undefined>;
  /** Calls `handler` at every Ctrl-C or SIGTERM. @returns a function that stops this */
  onInterrupt(handler: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

/** The real terminal. */
export function nodeIo(): Io {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    onInterrupt(handler) {
      process.on('SIGINT', handler);
      process.on('SIGTERM', handler);
      return () => {
        process.off('SIGINT', handler);
        process.off('SIGTERM', handler);
      };
    },
    exit: (code) => process.exit(code),
  };
}

/** Writes one or more lines. The text may come from anywhere: control characters are replaced. */
export function writeLine(stream: OutputStream, text = ''): void {
  stream.write(`${toPrintable(text)}\n`);
}

/** Writes a value as JSON, as `--json` prints it. */
export function writeJson(stream: OutputStream, value: unknown): void {
  stream.write(`${toPrintableJson(JSON.stringify(value, null, 2))}\n`);
}
