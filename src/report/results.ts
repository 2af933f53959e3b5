import { z } from 'zod';
import { toPrintableLine } from '../base/printable.ts';
import { unique } from './arrays.ts';
import { comparisonText, OFF_MARK, OFF_NOTE } from './comparison.ts';
import { comparisonRow, provenance } from './content.ts';
import { adapterText, duration, seedsText } from './format.ts';
import { type ExperimentRecord, experimentId, type RunRecord } from './run-record.ts';

/** The saved result of an experiment: a file in `docs/results/`, from which `docs/RESULTS.md` is made. */
export const experimentResult = z.object({
  kind: z.literal('tilegrad-result'),
  schemaVersion: z.literal(1),
  id: experimentId,
  title: z.string(),
  scale: z.enum(['full', 'short', 'smoke']),
  /** Differences from the original, in words; empty if there are none. */
  reduced: z.array(z.string()),
  /** Its comparisons; the label begins with the caption, if there is one. */
  figures: z.array(comparisonRow).min(1),
  seeds: z.array(z.number()),
  seconds: z.number(),
  startedAt: z.string(),
  adapter: provenance.shape.adapter,
  versions: z.record(z.string(), z.string()),
  data: z.array(z.string()),
});

export type ExperimentResult = z.output<typeof experimentResult>;

/** Returns a finished experiment of a run as a result; null for one that compares nothing or has not finished. */
export function resultOf(record: RunRecord, row: ExperimentRecord): ExperimentResult | null {
  const figures = row.sections.flatMap(({ blocks }) =>
    blocks.flatMap((block) =>
      block.type === 'comparison'
        ? block.rows.map((compared) => ({
            ...compared,
            label: block.caption ? `${block.caption}: ${compared.label}` : compared.label,
          }))
        : [],
    ),
  );
  if (row.status !== 'finished' || figures.length === 0) return null;
  const { name, vendor, driver, isSoftware } = record.adapter;
  return experimentResult.parse({
    kind: 'tilegrad-result',
    schemaVersion: 1,
    ...{ id: row.id, title: row.title, scale: record.request.scale, reduced: row.reduced, figures },
    ...{ seeds: row.seeds, seconds: row.seconds, startedAt: record.timings.startedAt },
    adapter: { name, vendor, driver, isSoftware },
    versions: record.versions,
    data: row.datasets.map((set) => `${set}: ${record.data[set]!.description.replace(/^(folder|archive) .*?: /, '')}`),
  });
}

const letters = (id: string) => id.replace(/\d+$/, '');
const number = (id: string) => Number(/\d+$/.exec(id)?.[0] ?? 0);
const cell = (text: string) => toPrintableLine(text.replaceAll('\n', ' ')).replaceAll('|', '\\|');
const item = (text: string) => `- ${toPrintableLine(text)}`;
const row = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
const adapterName = ({ name, isSoftware }: ExperimentResult['adapter']) => `${name}${isSoftware ? ' (CPU)' : ''}`;

/** Returns the text of `docs/RESULTS.md`: every experiment with its published results and ours. The same results give the same text. */
export function resultsDocument(unsorted: readonly ExperimentResult[]): string {
  const results = [...unsorted].sort(
    (a, b) => letters(a.id).localeCompare(letters(b.id)) || number(a.id) - number(b.id),
  );
  const courseworks = unique(results.map(({ id }) => letters(id)));
  const parts = [
    '# Results',
    'Written by `npx tilegrad results RUN...` from the runs themselves: do not edit. Each row of the experiments with the figures that were ' +
      'published for it, ours as the mean over the models that were trained, with their standard deviation, and the difference. A figure ' +
      `counts as reproduced within 2 points of accuracy; ${OFF_MARK} marks what is further off, and the reasons follow. Time is that of everything a row ` +
      'needs, also where rows of one run shared it; it is what the clock showed, also where the machine did other work meanwhile.',
    ...(results.length === 0 ? ['No row has been run yet.'] : []),
    ...courseworks.flatMap((coursework) =>
      courseworkParts(
        coursework,
        results.filter(({ id }) => letters(id) === coursework),
      ),
    ),
    ...(results.length === 0 ? [] : ['## What was run', machineItems(results)]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function courseworkParts(coursework: string, results: readonly ExperimentResult[]): string[] {
  const head = ['row', 'figure', 'published', 'ours', 'difference', 'seeds', 'scale', 'adapter', 'time'];
  const lines = results.flatMap((result) => {
    const { id, title, figures, seeds, scale, adapter, seconds } = result;
    return [
      row([`**${id}**`, `**${title}**`, '', '', '', seedsText(seeds), scale, adapterName(adapter), duration(seconds)]),
      ...figures.map((figure) => {
        const { label, published, ours, difference, isOff } = comparisonText(figure);
        return row(['', label, published, ours, difference + (isOff ? ` ${OFF_MARK}` : ''), '', '', '', '']);
      }),
    ];
  });
  const off = results.flatMap((result) => reasonsOf(result, (figure) => comparisonText(figure).isOff));
  const remarks = results.flatMap((result) => reasonsOf(result, (figure) => !comparisonText(figure).isOff));
  const reduced = results.flatMap(({ id, reduced: notes }) => notes.map((note) => item(`${id}: ${note}`)));
  return [
    `## Coursework ${coursework}`,
    [row(head), row(['---', '---', '---:', '---:', '---:', '---', '---', '---', '---:']), ...lines].join('\n'),
    ...(off.length > 0 ? [`${OFF_NOTE}:`, off.join('\n')] : []),
    ...(remarks.length > 0 ? ['Remarks:', remarks.join('\n')] : []),
    ...(reduced.length > 0 ? ['What was reduced or changed:', reduced.join('\n')] : []),
  ];
}

/** Returns the reasons for differences, one line each; a difference without a reason is listed as such. */
function reasonsOf(
  { id, figures, scale, reduced }: ExperimentResult,
  isIncluded: (figure: ExperimentResult['figures'][number]) => boolean,
): string[] {
  const explained = figures.filter(isIncluded);
  const unexplained = scale !== 'full' || reduced.length > 0 ? 'see what was reduced' : 'no reason is known';
  const reasonOf = (figure: ExperimentResult['figures'][number]) =>
    figure.why ?? (comparisonText(figure).isOff ? unexplained : null);
  const reasons = unique(explained.map(reasonOf)).filter((reason) => reason !== null);
  return reasons.map((reason) => {
    const labels = explained.filter((figure) => reasonOf(figure) === reason).map(({ label }) => label);
    return item(`${id}, ${labels.join('; ')}: ${reason}.`);
  });
}

function machineItems(results: readonly ExperimentResult[]): string {
  const entries = results.map(({ id, adapter, versions, startedAt, data }) => {
    const versionTexts = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
    return {
      id,
      text: `${adapterText(adapter)}; ${startedAt.slice(0, 10)}; ${versionTexts.join(', ')}; ${data.join('; ')}`,
    };
  });
  return unique(entries.map(({ text }) => text))
    .map((text) => {
      const ids = entries.filter((entry) => entry.text === text).map(({ id }) => id);
      return item(`${ids.join(', ')}: ${text}`);
    })
    .join('\n');
}
