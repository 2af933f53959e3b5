import { clearLine, cursorTo } from 'node:readline';
import { toPrintable } from '../../src/base/printable.ts';
import { duration } from '../../src/report/format.ts';

/** Seconds between two lines of a part where the output is no terminal. */
const QUIET_SECONDS = 30;

/** Formats a time without tenths: `12 s`, `1 min 12 s`. */
export const wholeSeconds = (seconds: number) =>
  seconds < 59.5 ? `${Math.round(seconds)} s` : duration(Math.round(seconds));

/** Shows which part runs and for how long: on a terminal in one line that changes, elsewhere in a new line every 30 seconds. */
export class Progress {
  private timer: NodeJS.Timeout | undefined;
  private label = '';
  private detail = '';
  private begun = 0;
  private saidAt = 0;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  /** @param label such as `2 of 6: kernel variants` */
  begin(label: string): void {
    Object.assign(this, { label, detail: '', begun: performance.now(), saidAt: performance.now() });
    if (!this.stream.isTTY) this.say(label);
    this.timer = setInterval(() => this.show(), 1000);
  }

  /** @param line the last that the part printed */
  set line(line: string) {
    if (!line.startsWith('Warning: maxDynamic')) this.detail = line; // see src/cli/dawn-warnings.ts
  }

  /** Ends the part. */
  end(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.clear();
  }

  /** Prints a line. */
  say(line: string): void {
    this.clear();
    this.stream.write(`${toPrintable(line)}\n`);
  }

  private show(): void {
    const now = performance.now();
    const text = `${this.label}, ${wholeSeconds((now - this.begun) / 1000)}`;
    if (this.stream.isTTY) {
      this.clear();
      const line = this.detail === '' ? text : `${text}  ${toPrintable(this.detail.trim())}`;
      this.stream.write(line.slice(0, (this.stream.columns || 80) - 1));
    } else if (now - this.saidAt > 1000 * QUIET_SECONDS) {
      this.saidAt = now;
      this.say(text);
    }
  }

  private clear(): void {
    if (!this.stream.isTTY) return;
    cursorTo(this.stream, 0);
    clearLine(this.stream, 0);
  }
}
