import type { Catalogue, Coursework, Experiment } from './experiment.ts';
import { findName } from './options.ts';

/** What `tilegrad run` runs: an experiment, or a coursework with its experiments. */
export interface RunTarget {
  id: string;
  title: string;
  question: readonly string[];
  experiments: readonly Experiment[];
  /** The absolute path of a user's experiment. */
  file?: string;
  /** A hash of the code of a user's experiment. */
  code?: string;
  /** The summary of a coursework that has one. */
  summary?: Coursework['summary'];
}

/** Returns the experiments of a coursework: those whose id begins with its letters. */
export const experimentsOf = ({ id }: Coursework, experiments: readonly Experiment[]): Experiment[] =>
  experiments.filter((experiment) => experiment.id.replace(/\d+$/, '').toLowerCase() === id.toLowerCase());

/** Returns the experiment or coursework of an id, in any case. @throws UsageError for an unknown id */
export function findTarget(id: string, { experiments, courseworks }: Catalogue): RunTarget {
  const known = [...experiments, ...courseworks].map((entry) => entry.id);
  const name = findName('experiment', id, known, 'See `npx tilegrad list`.');
  const coursework = courseworks.find((entry) => entry.id === name);
  if (coursework) return { ...coursework, experiments: experimentsOf(coursework, experiments) };
  const experiment = experiments.find((entry) => entry.id === name)!;
  const { title, question } = experiment;
  return { id: experiment.id, title, question, experiments: [experiment] };
}
