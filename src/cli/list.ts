import { accuracyText } from '../report/comparison.ts';
import { count } from '../report/format.ts';
import { table } from '../report/tables.ts';
import type { Experiment } from './experiment.ts';
import { type Io, json, line } from './io.ts';

/** `tilegrad list`: every experiment that `run` knows. */
export function list(experiments: readonly Experiment[], options: { json?: boolean }, io: Io): void {
  if (options.json) {
    json(
      io.stdout,
      experiments.map(({ id, title, dataset, published, defaults }) => ({ id, title, dataset, published, defaults })),
    );
    return;
  }
  const rows = experiments.map(({ id, title, dataset, published }) => [
    id,
    title,
    dataset,
    `${accuracyText(published.trainAccuracy)} / ${accuracyText(published.testAccuracy)}`,
    count(published.parameters),
  ]);
  line(
    io.stdout,
    table(['id', 'experiment', 'data set', 'published train / test accuracy', 'parameters'], rows, [3, 4]),
  );
  line(io.stdout, 'Run one with `npx tilegrad run ID`.');
}
