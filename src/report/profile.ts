import { table } from './tables.ts';
import type { ProfileFigures } from './trace.ts';

/** Formats a value with three significant digits and an SI prefix, so that a unit can follow: `12.3 M`, `16 `. */
function formatShort(value: number): string {
  const prefixes = ['', 'k', 'M', 'G', 'T'];
  const power = value > 0 ? Math.max(0, Math.min(prefixes.length - 1, Math.floor(Math.log10(value) / 3 + 1e-9))) : 0;
  const scaled = value / 1000 ** power;
  const digits = Number.isInteger(scaled) && power === 0 ? 0 : scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  return `${scaled.toFixed(digits)} ${prefixes[power]}`;
}

const formatMilliseconds = (ms: number) => (ms >= 100 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(4));
const formatPercent = (share: number) => `${(100 * share).toFixed(1)}%`;

const HEAD = ['kernel', 'arrays', 'calls', 'ms', 'share', 'FLOP', 'bytes', 'GFLOP/s', 'GB/s', 'of FMA', 'of copy'];

/** Returns the first and the last array of a kernel: its first input and its output. */
function firstAndLast(shapes: string): string {
  const all = shapes.split(' ');
  return all.length < 2 ? shapes : `${all[0]} -> ${all.at(-1)}`;
}

/** Returns the profile as text: a row for each kernel and shape, the slowest first, then the step as a whole. */
export function profileTable(profile: ProfileFigures): string {
  const { kernels, dispatches, step, ceilings, adapter } = profile;
  const rows = kernels.map((row) => [
    row.kernel,
    firstAndLast(row.shapes),
    String(row.calls),
    formatMilliseconds(row.ms),
    formatPercent(row.share),
    ...[row.flops > 0 ? formatShort(row.flops).trim() : '-', formatShort(row.bytes).trim()],
    ...[row.flops > 0 ? row.gflops.toFixed(2) : '-', row.gbs.toFixed(2)],
    ...[row.flops > 0 ? formatPercent(row.ofFma) : '-', formatPercent(row.ofCopy)],
  ]);
  const total = dispatches.reduce((sum, { ms }) => sum + ms, 0);
  const clock =
    profile.clock === 'timestamps'
      ? "by the GPU's timestamps"
      : `each dispatch alone, submitted and waited for (${profile.clockReason})`;
  const lines = [
    table(HEAD, rows, [2, 3, 4, 5, 6, 7, 8, 9, 10], true),
    'Arrays: the first and the last bound. FLOP and bytes: of one call, a multiply-add counting as two, each array as moved once;',
    `what stays in a cache can be faster than the copy. Timed ${clock}.`,
    `A step: ${step.ms.toFixed(2)} ms (kernels ${total.toFixed(2)} ms), ${step.dispatches} dispatches, ${step.submits} ` +
      `${step.submits === 1 ? 'submit' : 'submits'}, ${step.createdObjects} objects created, ${formatShort(step.bytesUploaded)}B uploaded, ` +
      `${formatShort(step.bytesMoved)}B moved, ${formatShort(step.flops)}FLOP, ${formatShort(step.peakBytes)}B of intermediate results at its peak.`,
    `Ceilings of ${adapter.name}${adapter.isSoftware ? ' (CPU)' : ''}, measured now: ${ceilings.fmaGflops.toFixed(1)} GFLOP/s (multiply-adds in ` +
      `registers), ${ceilings.copyGBs.toFixed(1)} GB/s (copy).`,
  ];
  return lines.join('\n');
}
