import { parseArgs } from 'node:util';

/** A mistake in how a benchmark was called: shown without a stack, exit code 2. */
export class UsageError extends Error {}

export const USAGE = `Usage: npm run bench -- [options]      (with --json: npm run --silent bench -- --json)

Times kernels at the shapes of the courseworks, training steps and start-up, and holds them against what the adapter does at best.
\`npm run bench -- ladder\` climbs from the plainest matrix product to the engine's own, a kernel for each idea.

  --only NAME      only what is so called or begins so; may be repeated, or given names with commas between
  --rounds N       rounds of each measurement, of which the best counts; default 5
  --compare FILE   a column of ratios to an earlier result (what --json printed)
  --json           the result as JSON on stdout; everything for people goes to stderr
  --variants       every variant of each kernel beside the reference, instead
  --step NAME      where the time of a training step goes, dispatch by dispatch, instead
  --list           the names
  --help           this`;

export interface Options {
  only: string[];
  rounds: number;
  compare?: string;
  json: boolean;
  variants: boolean;
  step?: string;
  list: boolean;
  help: boolean;
}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const values = parse(args);
  const rounds = Number(values.rounds ?? 5);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new UsageError(`--rounds: must be a positive integer, but is ${values.rounds}`);
  }
  const only = (values.only ?? []).flatMap((names) => names.split(',')).map((name) => name.trim());
  const { compare, json = false, variants = false, step, list = false, help = false } = values;
  const instead = variants ? '--variants' : step === undefined ? null : '--step';
  const useless = json ? '--json' : compare === undefined ? null : '--compare';
  if (instead && useless)
    throw new UsageError(`${useless}: cannot be combined with ${instead}, which prints a table; leave it out`);
  return { only, rounds, compare, json, variants, step, list, help };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        compare: { type: 'string' },
        json: { type: 'boolean' },
        variants: { type: 'boolean' },
        step: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
}

/**
 * Which of `names` were asked for: by name, or by how it begins; all where nothing was.
 * @throws UsageError for one that fits none
 */
export function selectNames(names: readonly string[], only: readonly string[]): Set<string> {
  if (only.length === 0) return new Set(names);
  const stranger = only.find((asked) => asked === '' || !names.some((name) => name.startsWith(asked)));
  if (stranger !== undefined) {
    throw new UsageError(`--only: there is no benchmark "${stranger}"; \`--list\` shows what there is`);
  }
  // A whole name means itself alone: gemm-2048 may not come to stand for gemm-20480.
  return new Set(
    only.flatMap((asked) => (names.includes(asked) ? [asked] : names.filter((name) => name.startsWith(asked)))),
  );
}
