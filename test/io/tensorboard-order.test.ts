import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type EpochLogs, type Model, TensorBoard } from '../../src/node.ts';
import { readEvents } from './event-reader.ts';

// TensorBoard reads the files of a folder in the order of their names. A session that begins at a step replaces earlier events from there.

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-order-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

const model = { plannedLayers: [], uses: [], weights: [], summary: () => '' } as unknown as Model;
const logs = (epoch: number, loss: number) =>
  ({ epoch, loss, learningRate: 1, seconds: 1, samplesPerSecond: 1 }) as EpochLogs;

async function train(losses: readonly number[]): Promise<void> {
  const board = new TensorBoard({ logDir: root, writeGraph: false });
  board.onTrainBegin({ model });
  for (const [i, loss] of losses.entries()) await board.onEpochEnd(logs(i + 1, loss));
}

/** The loss by step as TensorBoard shows it. */
function shownSteps(): [step: number, loss: number][] {
  const folder = join(root, 'train');
  let curve: [number, number][] = [];
  for (const name of readdirSync(folder).sort()) {
    for (const { step, start, values } of readEvents(readFileSync(join(folder, name)))) {
      if (start) curve = curve.filter(([before]) => before < step);
      for (const { tag, numbers } of values) if (tag === 'epoch_loss') curve.push([step, numbers[0]!]);
    }
  }
  return curve;
}

/** Steps above 0 of what TensorBoard shows; at step 0 those of all sessions lie one upon another. */
const later = () => shownSteps().filter(([step]) => step > 0);

test.each([12, 120])('of %d trainings within one second, all steps of the last are shown', async (trainings) => {
  vi.spyOn(Date, 'now').mockReturnValue(1_700_000_000_123);
  for (let i = 0; i < trainings; i++) await train([i, i + 0.25, i + 0.5]);
  const last = trainings - 1;
  expect(later()).toEqual([
    [1, last + 0.25],
    [2, last + 0.5],
  ]);
  expect(readdirSync(join(root, 'train'))).toHaveLength(trainings);
});

test('also if the clock is set back between them', async () => {
  const clock = vi.spyOn(Date, 'now');
  for (const [i, seconds] of [1_700_000_010, 1_700_000_005, 1_700_000_004].entries()) {
    clock.mockReturnValue(1000 * seconds);
    await train([0, i]);
  }
  expect(later()).toEqual([[1, 2]]);
});

test("file names begin as TensorFlow's, and sort after those of earlier seconds", async () => {
  mkdirSync(join(root, 'train'));
  const older = `events.out.tfevents.1699999999.host.99.0.v2`;
  writeFileSync(join(root, 'train', older), '');
  vi.spyOn(Date, 'now').mockReturnValue(1_700_000_100_000);
  await train([1]);
  const names = readdirSync(join(root, 'train')).sort();
  expect(names[0]).toBe(older);
  expect(names[1]).toMatch(/^events\.out\.tfevents\.17000001\d\d\.\d{6}\./);
});
