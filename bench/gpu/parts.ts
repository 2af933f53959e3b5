import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { adapterText, count } from '../../src/report/format.ts';
import { kernelCases } from '../kernel-cases.ts';
import { workloads } from '../peers/workloads.ts';
import { stepCases } from '../steps.ts';
import type { Command, Ended } from './child.ts';
import { LINES_VARIABLE, readTests, type TestResult } from './tests.ts';

/** A part of the run, in one process. */
export interface Part {
  /** As `--parts` names it. */
  name: string;
  /** As the progress shows it. */
  title: string;
  /** Seconds after which it is stopped. */
  limit: number;
  /** Runs first, and is not counted in `limit`; the part fails if it fails. */
  install?: Command & { limit: number };
  /** @param folder an empty folder for files of this part; @param limit seconds, perhaps other than `Part.limit` */
  command(folder: string, limit: number): Command;
  /** Returns the figures, also those of a part that was stopped; null if there are none. May throw. */
  read(ended: Ended, folder: string): unknown;
  /** Describes the figures in a few words. */
  describe(result: unknown): string;
}

/** Cases and tests to run; default all. */
export interface Selection {
  kernels?: readonly string[];
  steps?: readonly string[];
  peers?: readonly string[];
  /** Parts of the names of test files. */
  tests?: readonly string[];
}

/** What of `tilegrad doctor --json` names the adapter. */
export const doctorSchema = z.object({
  ok: z.boolean(),
  checks: z.array(z.object({ ok: z.boolean(), detail: z.string() })),
  adapter: z
    .looseObject({
      name: z.string(),
      vendor: z.string(),
      architecture: z.string(),
      driver: z.string(),
      isSoftware: z.boolean(),
    })
    .nullable(),
});

/** Seconds for the download of 100 MB, on top of the time of the part. */
const INSTALL_LIMIT = 300;
/** Share of the limit that `tune` gets as its budget. It must also build the networks and end the last measurement. */
const TUNE_SHARE = 0.65;
/** Rounds of a benchmark: fewer than usual, so that the whole takes less than ten minutes. */
const ROUNDS = { kernels: '3', steps: '3', peers: '2' };
/** Seconds within which an engine must answer, so that one that hangs does not take the time of the others. */
const PATIENCE = '20';

/**
 * Returns all parts. Their limits add up to less than ten minutes.
 * @param root folder of the repository
 */
export function createParts(root: string, selection: Selection = {}): Part[] {
  const at = (...names: string[]) => join(root, ...names);
  const tilegrad = at('bin', 'tilegrad.mjs');
  const {
    kernels = kernelCases.map(({ name }) => name),
    steps = [...stepCases.map(({ name }) => name), 'start'],
    peers = workloads.map(({ name }) => name),
    tests = ['variants.test.ts', 'autograd/operators.test.ts'],
  } = selection;
  const benchmark = (cases: readonly string[], rounds: string): Pick<Part, 'command' | 'read' | 'describe'> => ({
    command: (folder) => ({
      args: [at('bench', 'run.mjs'), '--only', cases.join(','), '--rounds', rounds, '--out', resultIn(folder)],
    }),
    read: (_ended, folder) => readJson(resultIn(folder)),
    describe: (result) => describeBenchmark(result, cases.length),
  });
  return [
    {
      ...{ name: 'doctor', title: 'doctor', limit: 40 },
      command: () => ({ args: [tilegrad, 'doctor', '--json'] }),
      read: ({ stdout }) => JSON.parse(stdout),
      describe: describeDoctor,
    },
    {
      ...{ name: 'variants', title: 'kernel variants', limit: 150 },
      command: (folder) => ({
        args: [
          ...[at('node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'dawn'],
          ...['--reporter', './bench/gpu/test-reporter.ts', ...tests],
        ],
        // Without an adapter, tests would be skipped, which looks as if all was well.
        env: { REQUIRE_GPU: '1', LONG: '', [LINES_VARIABLE]: linesIn(folder) },
      }),
      read: (_ended, folder) => readTests(readFileSync(linesIn(folder), 'utf8')),
      describe: (result) => describeTests(result as TestResult),
    },
    {
      ...{ name: 'tune', title: 'tune', limit: 110 },
      // In an empty cache: the kernels that this machine uses stay as they are.
      command: (folder, limit) => ({
        args: [tilegrad, 'tune', '--json', '--budget', `${TUNE_SHARE * limit}`],
        env: { TILEGRAD_CACHE: folder },
      }),
      read: readTuning,
      describe(result) {
        const { entries, total } = result as ReturnType<typeof readTuning>;
        return `${count(Object.keys(entries).length)} of ${total === null ? '?' : count(total)} sizes measured`;
      },
    },
    { ...{ name: 'kernels', title: 'kernels benchmark', limit: 95 }, ...benchmark(kernels, ROUNDS.kernels) },
    { ...{ name: 'steps', title: 'steps benchmark', limit: 100 }, ...benchmark(steps, ROUNDS.steps) },
    {
      ...{ name: 'peers', title: 'other engines', limit: 95 },
      install: { args: [at('bench', 'gpu', 'install-peers.mjs')], limit: INSTALL_LIMIT },
      command: (folder) => ({
        args: [
          ...[at('bench', 'peers', 'run.mjs'), '--only', peers.join(','), '--engine', 'tfjs,jax'],
          ...['--rounds', ROUNDS.peers, '--patience', PATIENCE, '--out', resultIn(folder)],
        ],
      }),
      read: (_ended, folder) => readJson(resultIn(folder)),
      describe(result) {
        const { workloads: done } = z.object({ workloads: z.array(z.unknown()) }).parse(result);
        return `${done.length} of ${peers.length} workloads compared`;
      },
    },
  ];
}

const resultIn = (folder: string) => join(folder, 'result.json');
const linesIn = (folder: string) => join(folder, 'tests.jsonl');
const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

function describeDoctor(result: unknown): string {
  const { ok, checks, adapter } = doctorSchema.parse(result);
  const problems = checks.filter((check) => !check.ok).map(({ detail }) => detail.split('\n')[0]!);
  return [adapter ? adapterText(adapter) : 'no adapter', ok ? 'trains' : problems.join('; ')].join(', ');
}

const describeTests = ({ passed, failed, skipped, unfinished }: TestResult): string =>
  [
    `${count(passed)} tests passed`,
    `${count(failed)} failed`,
    ...(skipped > 0 ? [`${count(skipped)} skipped`] : []),
    ...(unfinished.length > 0 ? [`${count(unfinished.length)} unfinished`] : []),
  ].join(', ');

/** Returns what `tune` wrote into its cache, which it does after each size, and how many sizes there are. */
function readTuning({ stdout, stderr }: Ended, folder: string) {
  const path = join(folder, 'tuning');
  const file = readdirSync(path).find((name) => name.endsWith('.json'));
  const { entries } = z.object({ entries: z.record(z.string(), z.unknown()) }).parse(readJson(join(path, file!)));
  const [, total] = /^\[\d+\/(\d+)\]/m.exec(stderr) ?? [];
  let failed: unknown = null;
  try {
    ({ failed } = JSON.parse(stdout));
  } catch {
    // it was stopped before it printed its result
  }
  return { entries, failed, total: total === undefined ? null : Number(total) };
}

const benchmarkSchema = z.object({
  ceilings: z.object({ fmaGflops: z.number(), copyGBs: z.number() }),
  kernels: z.array(z.unknown()),
  steps: z.array(z.unknown()),
  start: z.unknown().optional(),
  failed: z.array(z.unknown()).optional(),
});

function describeBenchmark(result: unknown, cases: number): string {
  const { ceilings, kernels, steps, start, failed = [] } = benchmarkSchema.parse(result);
  const done = kernels.length + steps.length + (start === undefined ? 0 : 1);
  return [
    `${done} of ${cases} timed`,
    ...(failed.length > 0 ? [`${failed.length} failed`] : []),
    `ceilings: FMA ${count(ceilings.fmaGflops)} GFLOP/s, copy ${count(ceilings.copyGBs)} GB/s`,
  ].join(', ');
}
