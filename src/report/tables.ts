import Table from 'cli-table3';
import type { RunRecord, Spread } from './run-record.ts';

/**
 * A terminal table without colours, so that it reads the same in a file. Columns of figures, counted from 0, align
 * right; a long table has no lines between its rows.
 */
export function table(head: string[], rows: string[][], figures: number[] = [], long = false): string {
  const noLines = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  const drawn = new Table({
    head,
    chars: long ? noLines : {},
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (figures.includes(column) ? 'right' : 'left')),
  });
  drawn.push(...rows);
  return drawn.toString();
}

/** `0.6022`, or `n/a` for a figure that is missing or not finite. */
export function accuracyText(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? 'n/a' : value.toFixed(4);
}

function spreadText({ mean, sd }: Spread): string {
  return sd === null ? accuracyText(mean) : `${accuracyText(mean)} (sd ${accuracyText(sd)})`;
}

/** Difference in points of accuracy, signed: `+1.25 points`. */
function differenceText(ours: number | null, published: number): string {
  if (ours === null || !Number.isFinite(ours)) return 'n/a';
  const points = (ours - published) * 100;
  return `${points < 0 ? '-' : '+'}${Math.abs(points).toFixed(2)} points`;
}

/** The published figures beside ours, with the reasons why they are not like for like below. */
export function comparisonTable(record: RunRecord): string {
  const { published, results, parameters } = record;
  if (results === null) return 'No run has finished, so there is nothing to compare with the published figures.';
  const count = (value: number) => value.toLocaleString('en-US');
  const ours = results.runs > 1 ? `ours, mean of ${results.runs} runs` : 'ours';
  const rows = [
    [
      'training accuracy',
      accuracyText(published.trainAccuracy),
      spreadText(results.trainAccuracy),
      differenceText(results.trainAccuracy.mean, published.trainAccuracy),
    ],
    [
      'test accuracy',
      accuracyText(published.testAccuracy),
      spreadText(results.testAccuracy),
      differenceText(results.testAccuracy.mean, published.testAccuracy),
    ],
    [
      'parameters',
      count(published.parameters),
      count(parameters),
      parameters === published.parameters ? 'equal' : count(parameters - published.parameters),
    ],
  ];
  const drawn = table([record.experiment.id, 'published', ours, 'difference'], rows, [1, 2, 3]);
  if (record.notes.length === 0) return drawn;
  return `${drawn}\nNot like for like with the published figures:\n${record.notes.map((note) => `  - ${note}`).join('\n')}`;
}
