import type { AdapterInfo } from '../src/node.ts';
import type { Breakdown } from './breakdown.ts';
import type { Ceilings } from './ceilings.ts';
import type { KernelResult } from './kernels.ts';
import type { BenchResult } from './result.ts';
import type { StartTimes } from './start-times.ts';
import { replicaPairs, type StepResult } from './steps.ts';
import { table } from './table.ts';
import type { Timing } from './timing.ts';

/** Returns the name of the adapter; a software adapter is marked as CPU. */
export const adapterName = (info: AdapterInfo) => `${info.name}${info.isSoftware ? ' (CPU)' : ''}`;

const FORMULA = `GFLOP/s = operations / time; a multiply-add counts as two. GB/s = bytes / time; each input counts as read once, each output as written once.
Percent of ceiling = 100 * GFLOP/s / FMA ceiling for compute-bound kernels (fma), 100 * GB/s / copy ceiling for memory-bound
kernels (copy). The copy ceiling is for 64 MiB: arrays that fit into caches can exceed it. ms is wall time, the best of rounds x runs.`;

const ms = (value: number) => (value < 10 ? value.toFixed(3) : value.toFixed(1));
const percent = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)}%`;
const count = (value: number) => (Number.isInteger(value) ? `${value}` : value.toFixed(2));
const repeats = ({ rounds, runs }: Timing) => `${rounds} x ${runs}`;

export const ceilingsText = ({ fmaGflops, copyGBs }: Ceilings) =>
  `ceilings of this adapter in this run: FMA ${fmaGflops.toFixed(1)} GFLOP/s, copy ${copyGBs.toFixed(1)} GB/s`;

/** The column of ratios to an earlier result, if there is one: above 1 is faster now. */
class Ratios {
  constructor(private readonly old: BenchResult | null) {}

  get heading(): string[] {
    return this.old ? ['then/now'] : [];
  }

  cell(list: 'kernels' | 'steps', name: string, now: number): string[] {
    if (!this.old) return [];
    const then = this.old[list].find((one) => one.name === name);
    return [then ? `${(then.ms / now).toFixed(2)}x` : '-'];
  }
}

/** Returns all measurements as tables. */
export function report(
  measured: { ceilings: Ceilings; kernels: KernelResult[]; steps: StepResult[]; start: StartTimes | null },
  now: BenchResult,
  old: BenchResult | null,
): string {
  const { kernels, steps, start } = measured;
  const ratios = new Ratios(old);
  const parts = [`${now.adapter}, ${now.driver}\n${ceilingsText(measured.ceilings)}\n`];
  if (old) parts.push(changesText(now, old));
  if (kernels.length > 0) {
    const rows = kernels.map((one) => [
      one.name,
      ms(one.timing.ms),
      one.gflops.toFixed(2),
      one.gbs.toFixed(2),
      percent(one.percentOfCeiling),
      one.bound === 'compute' ? 'fma' : 'copy',
      repeats(one.timing),
      ...ratios.cell('kernels', one.name, one.timing.ms),
    ]);
    const heading = ['kernel', 'ms', 'GFLOP/s', 'GB/s', 'of ceiling', 'which', 'rounds x runs', ...ratios.heading];
    parts.push(table(heading, rows), `${FORMULA}\n`);
  }
  if (steps.length > 0) {
    const rows = steps.map((one) => [
      one.name,
      ms(one.timing.ms),
      one.samplesPerSecond.toFixed(0),
      count(one.dispatches),
      count(one.submits),
      count(one.createdObjects),
      (one.peakBytes / 2 ** 20).toFixed(2),
      repeats(one.timing),
      ...ratios.cell('steps', one.name, one.timing.ms),
    ]);
    const heading = ['step', 'ms', 'samples/s', 'dispatches', 'submits', 'objects', 'peak MiB', 'rounds x runs'];
    parts.push(
      table([...heading, ...ratios.heading], rows),
      'A step of `fit` in its steady state, or a whole call of `predict` or `evaluate` over the images in its name (mobilenet-infer: 96). Objects: pipelines, bind\n' +
        'groups and buffers created. Peak: most bytes allocated on the device, without the data set.\n',
    );
  }
  for (const { one, several, replicas } of replicaPairs(steps)) {
    const ratio = (replicas * one.timing.ms) / several.timing.ms;
    parts.push(
      `${several.name}: ${replicas} models one after another take ${ms(replicas * one.timing.ms)} ms a step, at once ` +
        `${ms(several.timing.ms)} ms: ${ratio.toFixed(2)}x\n`,
    );
  }
  if (start) {
    const row = (name: string, value: number) => [name, (value / 1000).toFixed(2), `${start.rounds} x 1`];
    parts.push(
      table(
        ['process start to first LeNet-5 step', 's', 'rounds x runs'],
        [row('empty shader cache', start.coldMs), row('warm shader cache', start.warmMs)],
      ),
    );
  }
  return parts.join('\n');
}

/** Returns the ceilings of the earlier result, and a warning if adapter or driver differ. */
function changesText(now: BenchResult, old: BenchResult): string {
  const lines = [`then, ${ceilingsText(old.ceilings).replace('this run', 'that run')}; then/now above 1 is faster now`];
  if (old.adapter !== now.adapter || old.driver !== now.driver) {
    lines.push(`then on ANOTHER adapter or driver: ${old.adapter}, ${old.driver}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Returns a table of the variants of kernels next to their references. */
export function variantsTable(cases: { variant: string; result: KernelResult }[][]): string {
  const rows = cases.flatMap((variants) =>
    variants.map(({ variant, result }, i) => [
      i === 0 ? result.name : '',
      variant,
      ms(result.timing.ms),
      result.gflops.toFixed(2),
      `${(variants[0]!.result.timing.ms / result.timing.ms).toFixed(2)}x`,
      percent(result.percentOfCeiling),
      repeats(result.timing),
    ]),
  );
  return table(['kernel', 'variant', 'ms', 'GFLOP/s', 'of reference', 'of ceiling', 'rounds x runs'], rows);
}

export function breakdownTable(name: string, { kernels, wholeMs }: Breakdown): string {
  const sum = kernels.reduce((total, one) => total + one.ms, 0);
  const rows = kernels.map((one) => [one.name, ms(one.ms), percent((100 * one.ms) / sum)]);
  return `${table([`dispatches of ${name}`, 'ms', 'share'], rows)}sum ${ms(sum)} ms, each in a separate submit; the whole step ${ms(wholeMs)} ms\n`;
}
