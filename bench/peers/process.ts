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

/** An engine in a separate process, which answers each command with a line of JSON. */
export class EngineProcess {
  private child: ChildProcess | null = null;
  private lines: AsyncIterator<string> | null = null;
  /** The end of its stderr. */
  private errorOutput = '';
  version = '';

  /** @param patienceMs milliseconds after which a missing answer is an error, and ends the process */
  constructor(
    readonly name: string,
    private readonly command: string,
    private readonly args: readonly string[],
    private readonly patienceMs: number,
  ) {}

  /** Starts the process if it is not running, for example after a missing answer. @throws Error with its output if it does not start */
  async start(): Promise<void> {
    if (this.child) return;
    this.errorOutput = '';
    const child = spawn(this.command, this.args, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.on('data', (chunk) => {
      this.errorOutput = (this.errorOutput + chunk).slice(-4000);
    });
    child.on('error', () => {}); // then stdout ends, and `readAnswer` throws
    child.stdin.on('error', () => {});
    this.child = child;
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.version = (await this.readAnswer()).version ?? '';
  }

  /** Sends a command. @returns the answer. @throws Error with the engine's output */
  async ask(command: object): Promise<Answer> {
    this.child?.stdin?.write(`${JSON.stringify(command)}\n`);
    return this.readAnswer();
  }

  private async readAnswer(): Promise<Answer> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.end();
    }, this.patienceMs);
    const line = await this.readLine();
    clearTimeout(timer);
    if (isLate) throw new Error(`${this.name}: no answer within ${this.patienceMs / 1000} s`);
    if (line === null) {
      this.end();
      throw new Error(`${this.name} ended without an answer:\n${this.errorOutput}`);
    }
    const answer = answerSchema.parse(JSON.parse(line));
    if (answer.error !== undefined) throw new Error(`${this.name}: ${answer.error}`);
    return answer;
  }

  /** Returns the next line that is an answer, because libraries also print on stdout; null if the process has ended. */
  private async readLine(): Promise<string | null> {
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
