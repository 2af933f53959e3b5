import type { Catalogue, Coursework, Experiment } from './experiment.ts';
import { findName } from './options.ts';

/** What `tilegrad run` is to run: a row, or a coursework with its rows. */
export interface RunTarget {
  id: string;
  title: string;
  question: readonly string[];
  experiments: readonly Experiment[];
  /** Of an experiment of one's own: its file, whole, and a hash of its code. */
  file?: string;
  code?: string;
  /** Of a coursework that has one. */
  summary?: Coursework['summary'];
}

/** Rows are a coursework's by the letters their id begins with. */
export const experimentsOf = ({ id }: Coursework, experiments: readonly Experiment[]): Experiment[] =>
  experiments.filter((row) => row.id.replace(/\d+$/, '').toLowerCase() === id.toLowerCase());

/** The row or coursework of that id; capitals do not matter. @throws UsageError */
export function findTarget(id: string, { experiments, courseworks }: Catalogue): RunTarget {
  const known = [...experiments, ...courseworks].map((one) => one.id);
  const name = findName('experiment', id, known, 'See `npx tilegrad list`.');
  const coursework = courseworks.find((one) => one.id === name);
  if (coursework) return { ...coursework, experiments: experimentsOf(coursework, experiments) };
  const row = experiments.find((one) => one.id === name)!;
  return { id: row.id, title: row.title, question: row.question, experiments: [row] };
}
