import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const answerSchema = z.object({
  version: z.string().optional(),
  check: z.array(z.number().nullable()).optional(),
  ms: z.number().optional(),
  error: z.string().optional(),
});
type Answer = z.infer<typeof answerSchema>;

/** No answer within this time counts as a failure. */
const PATIENCE_MS = 600_000;

/** An engine at work in a process of its own, which it answers from a line at a time. */
export class EngineProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private said = '';
  /** Whether it was ended because it took too long. */
  private isLate = false;
  version = '';

  constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
  ) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr!.on('data', (chunk) => {
      this.said = (this.said + chunk).slice(-4000);
    });
    this.child.on('error', () => {}); // then stdout ends, and `answer` says so
    this.child.stdin!.on('error', () => {});
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  /** @throws Error with what the engine said when it did not start */
  async started(): Promise<this> {
    this.version = (await this.answer()).version ?? '';
    return this;
  }

  /** Asks for something. @throws Error with what the engine said */
  async ask(command: object): Promise<Answer> {
    this.child.stdin!.write(`${JSON.stringify(command)}\n`);
    return this.answer();
  }

  private async answer(): Promise<Answer> {
    const line = await this.nextLine();
    if (this.isLate) throw new Error(`${this.name}: no answer within ${PATIENCE_MS / 1000} s`);
    if (line === null) throw new Error(`${this.name} ended without an answer:\n${this.said}`);
    const answer = answerSchema.parse(JSON.parse(line));
    if (answer.error !== undefined) throw new Error(`${this.name}: ${answer.error}`);
    return answer;
  }

  /** The next line that is an answer: libraries greet on stdout too. */
  private async nextLine(): Promise<string | null> {
    const timer = setTimeout(() => {
      this.isLate = true;
      this.child.kill();
    }, PATIENCE_MS);
    try {
      for (;;) {
        const { value, done } = await this.lines.next();
        if (done) return null;
        if (value.startsWith('{')) return value;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.child.stdin!.end();
    this.child.kill();
  }
}
