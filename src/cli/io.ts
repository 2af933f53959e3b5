import { toPrintable, toPrintableJson } from '../base/printable.ts';

/** A stream the command line writes to; `process.stdout` and `process.stderr` are such. */
export interface OutputStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** The command line's only ties to the process, so that tests can stand in for a terminal and for Ctrl-C. */
export interface Io {
  stdout: OutputStream;
  stderr: OutputStream;
  env: Record<string, string | undefined>;
  /** Calls `handler` at every Ctrl-C (or SIGTERM) until the function it returns is called. */
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

/** Writes a line, or several: text that may come from anywhere, made `printable`. */
export function writeLine(stream: OutputStream, text = ''): void {
  stream.write(`${toPrintable(text)}\n`);
}

/** Writes a value as JSON: what `--json` puts on stdout, and nothing else. */
export function writeJson(stream: OutputStream, value: unknown): void {
  stream.write(`${toPrintableJson(JSON.stringify(value, null, 2))}\n`);
}
