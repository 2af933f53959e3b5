import { table } from '../report/tables.ts';
import type { Catalogue } from './experiment.ts';
import { type Io, writeJson, writeLine } from './io.ts';
import { experimentsOf } from './run-target.ts';

/** `tilegrad list`: lists every experiment and coursework that `run` knows. */
export function list({ experiments, courseworks }: Catalogue, options: { json?: boolean }, io: Io): void {
  if (options.json) {
    writeJson(io.stdout, {
      courseworks: courseworks.map((coursework) => ({
        ...coursework,
        rows: experimentsOf(coursework, experiments).map(({ id }) => id),
      })),
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
  writeLine(io.stdout, table(['id', 'experiment', 'data set', 'published', 'models'], rows, [4]));
  for (const coursework of courseworks) {
    writeLine(
      io.stdout,
      `${coursework.id}: ${experimentsOf(coursework, experiments)
        .map(({ id }) => id)
        .join(', ')}: ${coursework.title}`,
    );
  }
  for (const { id, variations = [] } of experiments) {
    if (variations.length < 2) continue;
    writeLine(io.stdout, `Variations of ${id}, which \`run ${id} --short NAMES\` may cut: ${variations.join(', ')}`);
  }
  writeLine(io.stdout, 'Run one with `npx tilegrad run ID`, a coursework with its letter.');
}
