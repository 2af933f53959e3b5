import { table } from '../report/tables.ts';
import { rowsOfCoursework } from './choice.ts';
import type { Catalogue } from './experiment.ts';
import { type Io, json, line } from './io.ts';

/** `tilegrad list`: every row and coursework that `run` knows. */
export function list({ experiments, courseworks }: Catalogue, options: { json?: boolean }, io: Io): void {
  if (options.json) {
    json(io.stdout, {
      courseworks: courseworks.map((one) => ({ ...one, rows: rowsOfCoursework(one, experiments).map(({ id }) => id) })),
      experiments: experiments.map(({ id, title, question, published, datasets, scales, variations }) => ({
        ...{ id, title, question, published, datasets, scales, variations },
      })),
    });
    return;
  }
  const rows = experiments.map(({ id, title, datasets, published, scales }) => [
    id,
    title,
    datasets.join(', '),
    published,
    String(scales.full.replicas),
  ]);
  line(io.stdout, table(['id', 'experiment', 'data set', 'published', 'models'], rows, [4]));
  for (const one of courseworks) {
    line(
      io.stdout,
      `${one.id}: ${rowsOfCoursework(one, experiments)
        .map(({ id }) => id)
        .join(', ')}: ${one.title}`,
    );
  }
  for (const { id, variations = [] } of experiments) {
    if (variations.length < 2) continue;
    line(io.stdout, `Variations of ${id}, which \`run ${id} --short NAMES\` may cut: ${variations.join(', ')}`);
  }
  line(io.stdout, 'Run one with `npx tilegrad run ID`, a coursework with its letter.');
}
