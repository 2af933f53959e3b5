import { table } from '../table.ts';

/** Result of an engine on a workload. */
export type EngineResult =
  | {
      /** Milliseconds of a run: the best of `rounds` rounds of `runs` runs. */
      ms: number;
      rounds: number;
      runs: number;
      /** Losses of the first steps, or outputs. */
      check: (number | null)[];
      /** The first difference from tilegrad's, in words. */
      differs?: string | null | undefined;
    }
  | { error: string };

export interface PeerResult {
  name: string;
  what: 'fit' | 'predict' | 'gemm';
  size: number;
  engines: Record<string, EngineResult>;
}

/** Relative tolerance between two engines, because their orders of additions differ. */
const TOLERANCE = 1e-3;
/** Absolute tolerance, for outputs near 0. */
const ABSOLUTE = 1e-5;

/** Describes the first value that differs from ours by more than the tolerance; null if there is none. NaN and null always differ. */
export function findDifference(theirs: readonly (number | null)[], ours: readonly (number | null)[]): string | null {
  if (theirs.length !== ours.length || theirs.length === 0) {
    return `${theirs.length} values to check, and ${ours.length} of tilegrad`;
  }
  for (const [i, a] of theirs.entries()) {
    const b = ours[i]!;
    const agree =
      a !== null && b !== null && Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b)) + ABSOLUTE;
    if (!agree) return `value ${i + 1} is ${a}, and that of tilegrad is ${b}`;
  }
  return null;
}

const TITLES: Record<string, string> = {
  tfjs: 'tfjs-webgpu',
  jax: 'jax-js webgpu',
  torch: 'PyTorch, native CPU',
};

/** Returns a table of the milliseconds of every engine and their ratio to tilegrad's. */
export function peersTable(versions: Record<string, string>, results: readonly PeerResult[]): string {
  const rows: string[][] = [];
  const notes: string[] = [];
  for (const { name, what, size, engines } of results) {
    const ours = engines.tilegrad;
    for (const [engine, version] of Object.entries(versions)) {
      const one = engines[engine];
      if (!one) continue;
      const title = `${TITLES[engine] ?? engine} ${version}`;
      if ('error' in one) {
        rows.push([name, title, '-', '-', '-', 'failed', '-']);
        notes.push(`${title} failed at ${name}: ${one.error.split('\n')[0]}`);
        continue;
      }
      if (one.differs) notes.push(`${title} DIFFERS at ${name}: ${one.differs}`);
      rows.push([
        name,
        title,
        one.ms < 10 ? one.ms.toFixed(3) : one.ms.toFixed(1),
        what === 'gemm' ? ((2 * size ** 3) / one.ms / 1e6).toFixed(2) : '-',
        ours && 'ms' in ours ? `${(one.ms / ours.ms).toFixed(2)}x` : '-',
        one.differs ? 'NO' : 'yes',
        `${one.rounds} x ${one.runs}`,
      ]);
    }
  }
  const heading = ['workload', 'engine', 'ms', 'GFLOP/s', 'of tilegrad', 'agrees', 'rounds x runs'];
  const explanation = `A training step with Adam, a whole inference, or a matrix product: wall time, the best round. Agrees: the losses of the first steps on
one batch from the same weights (dropout off), or the outputs, agree with tilegrad's to ${TOLERANCE}. In the timed loops the other engines
use one prepared batch of floats and read the loss of each step, as their users do; tilegrad gathers each batch from bytes and sums on the GPU.\n`;
  return `${table(heading, rows)}\n${explanation}${notes.map((note) => `${note}\n`).join('')}`;
}
