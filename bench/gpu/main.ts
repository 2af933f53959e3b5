/**
 * `npm run gpu`: for whoever has a graphics card. Runs the checks and benchmarks that need one, each part in a separate process with a time
 * limit, and writes one JSON file with everything to send in. The file is written after each part, so that nothing is lost.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { writeFileAtomic } from '../../src/base/atomic-file.ts';
import { UsageError } from '../../src/base/errors.ts';
import { listenForInterrupt } from '../../src/cli/interrupt.ts';
import { nodeIo } from '../../src/cli/io.ts';
import { findName, pathParser, positiveNumberParser } from '../../src/cli/options.ts';
import { adapterText } from '../../src/report/format.ts';
import { runChild } from './child.ts';
import { createParts, doctorSchema, type Part } from './parts.ts';
import { Progress, wholeSeconds } from './progress.ts';
import { emptyReport, type PartReport, type Report, reportText, type Status } from './report.ts';

interface Options {
  parts?: string[];
  limit?: number;
  out?: string;
}

/** The shell's exit code after Ctrl-C. */
const INTERRUPTED = 130;

/**
 * @param args the command line, without Node and the script
 * @param root folder of the repository
 * @param all parts to choose from; the first always runs, because it names the adapter
 * @returns the exit code: 0 if all parts are ok, 1 if not, 2 for wrong usage or a file that cannot be written, 130 after Ctrl-C
 */
export async function main(args: readonly string[], root: string, all = createParts(root)): Promise<number> {
  const program = createProgram(all);
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0; // the help
    if (!(error instanceof CommanderError || error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  const options = program.opts<Options>();
  const { parts: names = all.map(({ name }) => name), limit } = options;
  const parts = all
    .filter(({ name }, i) => i === 0 || names.includes(name))
    .map((part) => ({ ...part, limit: limit ?? part.limit }));
  return new Run(root, parts, options.out).run();
}

function createProgram(all: readonly Part[]): Command {
  const known = all.map(({ name }) => name);
  const parseNames = (text: string) =>
    text.split(',').map((name) => findName('part', name.trim(), known, 'Separate several with commas.'));
  const limits = all.map(({ name, title, limit }) => `  ${name.padEnd(10)} ${title}, ${limit} s`);
  const minutes = Math.ceil(all.reduce((sum, { limit }) => sum + limit, 0) / 60);
  return new Command('npm run gpu --')
    .description(
      'Runs the checks and benchmarks that need a graphics card, and writes one JSON file to send in. A part that fails or takes too long ' +
        'does not stop the others. Ctrl-C keeps what is done.',
    )
    .option('--parts <names>', `only these, separated by commas; ${known[0]} always runs`, parseNames)
    .option(
      '--limit <seconds>',
      'time limit of each part, instead of its own: more for a slow adapter',
      positiveNumberParser('--limit'),
    )
    .option(
      '--out <file>',
      'where to write (default: tilegrad-gpu-TIME.json, or tilegrad-cpu-TIME.json, in this folder)',
      pathParser('--out'),
    )
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', `\nParts and their limits, together less than ${minutes} minutes:\n${limits.join('\n')}`)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
}

/** A run of the chosen parts. */
class Run {
  private readonly progress = new Progress(process.stderr);
  private readonly report: Report;
  private readonly begun = performance.now();
  private path: string | null;
  /** Whether the file holds all that is known. */
  private isSaved = false;

  constructor(
    private readonly root: string,
    private readonly parts: readonly Part[],
    out: string | undefined,
  ) {
    this.path = out === undefined ? null : resolve(out);
    this.report = emptyReport(root, parts);
  }

  async run(): Promise<number> {
    const { progress, report, parts } = this;
    // A named file is tried before anything runs. The other one is named after the adapter, which is known after seconds.
    if (this.path !== null && !this.save()) return 2;
    // A terminal that was closed must not end the run with an error while it stops.
    process.stderr.on('error', () => {});
    const interrupt = listenForInterrupt({ ...nodeIo(), onInterrupt }, (isFirst) => {
      progress.end();
      if (isFirst) progress.say('Stopping; what is done is kept.');
    });
    try {
      for (const [i, part] of parts.entries()) {
        if (interrupt.signal.aborted) break;
        progress.begin(`${i + 1} of ${parts.length}: ${part.title}`);
        const folder = mkdtempSync(join(tmpdir(), 'tilegrad-gpu-'));
        try {
          report.parts[i] = await this.runPart(part, folder, interrupt.signal);
        } finally {
          rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
          progress.end();
        }
        progress.say(`${i + 1} of ${parts.length}: ${partText(part, report.parts[i]!)}`);
        if (i === 0) this.nameAdapter();
        this.save();
      }
    } finally {
      interrupt.dispose();
    }
    report.ended = new Date().toISOString();
    this.save();
    return this.finish(interrupt.signal.aborted);
  }

  private async runPart(part: Part, folder: string, signal: AbortSignal): Promise<PartReport> {
    const { name, limit } = part;
    const options = {
      ...{ cwd: this.root, signal },
      onLine: (line: string) => {
        this.progress.line = line;
      },
    };
    let ended = part.install && (await runChild(part.install, { ...options, limit: part.install.limit }));
    const isInstalled = !ended || (ended.code === 0 && ended.stopped === null);
    if (isInstalled) ended = await runChild(part.command(folder, limit), { ...options, limit });
    const { code, signal: exitSignal, stopped, seconds, output } = ended!;
    const status: Status =
      stopped === 'interrupt' ? 'interrupted' : (stopped ?? (code === 0 && exitSignal === null ? 'ok' : 'failed'));
    const one: PartReport = {
      ...{ name, status, exitCode: code, signal: exitSignal, seconds },
      limitSeconds: isInstalled ? limit : part.install!.limit,
      ...{ result: null, noResult: null, output: status === 'ok' ? null : output },
    };
    try {
      if (isInstalled) one.result = part.read(ended!, folder);
      else one.noResult = 'the installation failed';
    } catch (error) {
      one.noResult = error instanceof Error ? error.message : String(error);
      one.output = output;
      if (status === 'ok') one.status = 'failed';
    }
    return one;
  }

  /** Takes the adapter from the result of the first part. */
  private nameAdapter(): void {
    const { report, progress } = this;
    const { data } = doctorSchema.safeParse(report.parts[0]!.result);
    if (!data?.adapter) {
      progress.say('The adapter is not known, so the other parts may fail. They run nevertheless.');
      return;
    }
    const { name, vendor, architecture, driver, isSoftware } = data.adapter;
    report.adapter = { name, vendor, architecture, driver, isSoftware };
    report.hardware = isSoftware ? 'CPU' : 'GPU';
    if (isSoftware) {
      progress.say(
        `${adapterText(report.adapter)}. There is no graphics card in use, so all times are those of a CPU. ` +
          'Most parts will be stopped at their limits, which --limit raises.',
      );
    }
  }

  /** Writes the file. @returns whether that worked; else the reason is printed */
  private save(): boolean {
    const { report, progress } = this;
    report.seconds = (performance.now() - this.begun) / 1000;
    const time = report.begun.replace(/\..*/, '').replaceAll(':', '').replace('T', '-');
    this.path ??= resolve(`tilegrad-${report.hardware === 'CPU' ? 'cpu' : 'gpu'}-${time}.json`);
    try {
      writeFileAtomic(this.path, reportText(report, this.root));
      this.isSaved = true;
    } catch (error) {
      this.isSaved = false;
      progress.say(`Cannot write ${this.path}: ${reasonOf(error)}. Name another file with --out.`);
    }
    return this.isSaved;
  }

  /** Prints what came of the parts. @returns the exit code */
  private finish(isInterrupted: boolean): number {
    const { report, progress, parts } = this;
    const areOk = report.parts.every(({ status }) => status === 'ok');
    progress.say('');
    for (const [i, part] of parts.entries()) progress.say(`  ${partText(part, report.parts[i]!)}`);
    progress.say(`\n${report.hardware}, ${wholeSeconds(report.seconds)} in total.`);
    if (this.isSaved) {
      progress.say(`The file to send in, with the results of all parts that ran: ${this.path}`);
    } else {
      progress.say('The file could not be written; this is its content:');
      process.stdout.write(reportText(report, this.root));
    }
    if (isInterrupted) return INTERRUPTED;
    return this.isSaved && areOk ? 0 : 1;
  }
}

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'there is no such folder',
  EISDIR: 'it is a folder',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};

/** Why a file cannot be written. The system's message names a temporary file. */
const reasonOf = (error: unknown) => {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
};

/** Describes how a part ended, and its figures, in one line. */
function partText(
  part: Part,
  { status, seconds, exitCode, signal, limitSeconds, result, noResult, output }: PartReport,
) {
  if (status === 'not run') return `${part.title}: not run`;
  const how = {
    ok: 'ok',
    failed: `FAILED (${signal ?? `exit code ${exitCode}`})`,
    limit: `stopped at its limit of ${wholeSeconds(limitSeconds)}`,
    interrupted: 'interrupted',
  }[status];
  const lastLine = output?.trim().split('\n').at(-1) ?? '';
  const figures = result === null ? [noResult, lastLine].filter(Boolean).join('; ') : describe(part, result);
  return `${part.title}: ${how}, ${wholeSeconds(seconds)}${figures === '' ? '' : `; ${figures}`}`;
}

/** Describes figures; empty if they have another form, as those of a part that was stopped may have. */
function describe(part: Part, result: unknown): string {
  try {
    return part.describe(result);
  } catch {
    return '';
  }
}

/** Calls `handler` at Ctrl-C, and when the process is asked to end or its terminal is closed. */
function onInterrupt(handler: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, handler);
  return () => {
    for (const signal of signals) process.off(signal, handler);
  };
}
