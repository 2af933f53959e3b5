import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle } from '../../scripts/build.mjs';
import type { Report } from '../../src/report/content.ts';
import { readReport } from '../../src/report/report-files.ts';
import { bestTrial } from '../../src/report/search-trials.ts';
import { describeOnDevice } from '../support/device.ts';
import { runToEnd } from '../support/process.ts';

const MODULE = `
import { Adam, Dense, EarlyStopping, Sequential } from 'tilegrad/node';
export const searcher = 'Hyperband';
export const options = { objective: 'valLoss', maxEpochs: 9, factor: 3, seed: 5, executionsPerTrial: 2 };
const x = Float32Array.from({ length: 80 }, (_, i) => Math.sin(i * i));
export const data = async (device) => ({ x, y: Array.from({ length: 40 }, (_, i) => Number(x[2 * i] > x[2 * i + 1])) });
export const fit = { batchSize: 8, validationSplit: 0.25, callbacks: () => [new EarlyStopping({ patience: 3 })] };
export function buildModel(hp) {
  const learningRate = hp.float('learningRate', { min: 1e-3, max: 0.1, sampling: 'log' });
  return new Sequential([new Dense({ units: 3, activation: 'tanh', inputShape: [2] }), new Dense({ units: 2, activation: 'softmax' })])
    .compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
}
`;

/** The code of a report. */
const codeOf = ({ sections }: Report) =>
  sections.flatMap(({ blocks }) => blocks.flatMap((block) => (block.type === 'preformatted' ? [block.text] : [])))[0]!;

describeOnDevice('the report of tilegrad search', () => {
  const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));
  const built = join(cache, `tilegrad-search-report-test-${process.pid}`);
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-search-report-'));
  const node = (text: string) => text.replaceAll('tilegrad/node', join(built, 'node.js'));
  beforeAll(() => bundle({ cli: 'src/cli/main.ts', node: 'src/node.ts' }, built));
  afterAll(() => {
    for (const one of [built, folder]) rmSync(one, { recursive: true, force: true });
  });
  const tilegrad = (words: string[]) => runToEnd([join(built, 'cli.js'), ...words], { cwd: folder });

  test('has code that trains the best trial again to the bit, with data, callbacks, rounds and executions', async () => {
    writeFileSync(join(folder, 'own.mjs'), node(MODULE));
    const { code, out, err } = await tilegrad(['search', 'own.mjs', '--json']);
    expect(code, err).toBe(0);
    const { directory, ...record } = JSON.parse(out);
    const best = bestTrial(record)!;
    expect(best.values['tuner/round'], 'of a later round').toBeGreaterThan(0);
    const { report } = readReport(join(folder, directory));
    const text = `${codeOf(report)}\nconst scores = history.replicas.map((epochs) => Math.min(...epochs.map(({ valLoss }) => valLoss)));\nconsole.log(JSON.stringify({ scores, units: best.layers.length }));\n`;
    writeFileSync(join(folder, 'again.mjs'), node(text));
    const again = await runToEnd(['again.mjs'], { cwd: folder });
    expect(again.code, again.err).toBe(0);
    const { scores, units } = JSON.parse(again.out);
    expect(scores).toHaveLength(2);
    expect((scores[0] + scores[1]) / 2).toBe(best.score);
    expect(units).toBe(2);
    // The time of the command includes that of the trials; both are labeled.
    const [{ seconds, settings }] = report.provenance as [Report['provenance'][number]];
    const trials = record.trials.reduce(
      (sum: number, one: { seconds: { total: number } }) => sum + one.seconds.total,
      0,
    );
    expect(seconds).toBeGreaterThan(trials);
    expect(settings['Time of the trials']).toMatch(/^[\d.]+ (s|ms), the sum of all/);
    expect(settings.Fit).toContain('callbacks');
    expect(readFileSync(join(folder, directory, 'report.html'), 'utf8')).toContain('Time of the trials');
  });
});
