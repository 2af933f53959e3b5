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

/** An engine at work in a process of its own, which it answers from a line at a time. */
export class EngineProcess {
  private child: ChildProcess | null = null;
  private lines: AsyncIterator<string> | null = null;
  private said = '';
  version = '';

  /** @param patienceMs no answer within this time counts as a failure, and ends the process */
  constructor(
    readonly name: string,
    private readonly command: string,
    private readonly args: readonly string[],
    private readonly patienceMs: number,
  ) {}

  /** Starts the process, unless it is running: one that took too long was ended. @throws Error with what it said when it did not start */
  async start(): Promise<void> {
    if (this.child) return;
    this.said = '';
    const child = spawn(this.command, this.args, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.on('data', (chunk) => {
      this.said = (this.said + chunk).slice(-4000);
    });
    child.on('error', () => {}); // then stdout ends, and `answer` says so
    child.stdin.on('error', () => {});
    this.child = child;
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.version = (await this.answer()).version ?? '';
  }

  /** Asks for something. @throws Error with what the engine said */
  async ask(command: object): Promise<Answer> {
    this.child?.stdin?.write(`${JSON.stringify(command)}\n`);
    return this.answer();
  }

  private async answer(): Promise<Answer> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.end();
    }, this.patienceMs);
    const line = await this.nextLine();
    clearTimeout(timer);
    if (isLate) throw new Error(`${this.name}: no answer within ${this.patienceMs / 1000} s`);
    if (line === null) {
      this.end();
      throw new Error(`${this.name} ended without an answer:\n${this.said}`);
    }
    const answer = answerSchema.parse(JSON.parse(line));
    if (answer.error !== undefined) throw new Error(`${this.name}: ${answer.error}`);
    return answer;
  }

  /** The next line that is an answer, since libraries print on stdout too; null where the process has ended. */
  private async nextLine(): Promise<string | null> {
    for (;;) {
      const next = await this.lines?.next();
      if (!next || next.done) return null;
      if (next.value.startsWith('{')) return next.value;
    }
  }

  end(): void {
    this.child?.stdin?.end();
    this.child?.kill();
    this.child = null;
  }
}
