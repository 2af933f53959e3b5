import { parseArgs } from 'node:util';

/** A wrong command line: shown without a stack, exit code 2. */
export class UsageError extends Error {}

export const USAGE = `Usage: npm run bench -- [options]      (with --json: npm run --silent bench -- --json)

Times kernels at the shapes of the courseworks, training steps and start-up, and compares them with the adapter's ceilings.
\`npm run bench -- ladder\` times matrix products from a naive kernel to the engine's own, with one idea per kernel.

  --only NAME      only cases whose name is or begins with NAME; may be repeated, or list names with commas
  --rounds N       rounds of each measurement, of which the best counts; default 5
  --compare FILE   adds a column of ratios to an earlier result, written by --json
  --json           prints the result as JSON on stdout, and all other output on stderr
  --out FILE       writes the result as JSON into FILE after each case; a case that fails is listed there, and the others still run
  --variants       times every variant of each kernel instead, next to the reference
  --step NAME      times each dispatch of a training step instead
  --list           prints the names
  --help           prints this text`;

export interface Options {
  only: string[];
  rounds: number;
  compare?: string;
  json: boolean;
  out?: string;
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
  const { compare, json = false, out, variants = false, step, list = false, help = false } = values;
  const tableOption = variants ? '--variants' : step === undefined ? null : '--step';
  const resultOption = json ? '--json' : compare !== undefined ? '--compare' : out !== undefined ? '--out' : null;
  if (tableOption && resultOption)
    throw new UsageError(`${resultOption}: cannot be combined with ${tableOption}, which prints a table; leave it out`);
  return { only, rounds, compare, json, out, variants, step, list, help };
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
        out: { type: 'string' },
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
 * Returns the names that `only` selects, by whole name or by prefix; all if `only` is empty.
 * @throws UsageError if an entry of `only` selects none
 */
export function selectNames(names: readonly string[], only: readonly string[]): Set<string> {
  if (only.length === 0) return new Set(names);
  const unknown = only.find((prefix) => prefix === '' || !names.some((name) => name.startsWith(prefix)));
  if (unknown !== undefined) {
    throw new UsageError(`--only: there is no benchmark "${unknown}"; \`--list\` prints the names`);
  }
  // A whole name selects only itself: gemm-2048 must not select gemm-20480, too.
  return new Set(
    only.flatMap((prefix) => (names.includes(prefix) ? [prefix] : names.filter((name) => name.startsWith(prefix)))),
  );
}
