import { expect, test } from 'vitest';
import { live } from '../../web/src/page/live.ts';
import { DEFAULTS } from '../../web/src/settings.ts';
import type { Snapshot } from '../../web/src/snapshot.ts';

const snapshot = (step: number, changes: Partial<Snapshot> = {}): Snapshot => ({
  ...{ state: 'paused', isCompiled: true, settings: DEFAULTS, step, epoch: 1, epochStep: step, stepsPerEpoch: 10 },
  ...{ parameters: 1, samplesPerSecond: null, curves: { train: [], test: [] }, adapter: '', network: 1, ...changes },
});
const turn = () => new Promise((resolve) => setTimeout(resolve, 10));

test('live: a call for each change, with the newest snapshot', async () => {
  const steps: number[] = [];
  const update = live(async ({ step }) => void steps.push(step), 0);
  for (const step of [1, 1, 2, 3]) update(snapshot(step));
  await turn();
  update(snapshot(3));
  await turn();
  expect(steps).toEqual([1, 3]);
});

test('live: a call that fails is reported, and the next change is shown', async () => {
  const steps: number[] = [];
  const problems: unknown[] = [];
  const update = live(
    async ({ step }) => {
      steps.push(step);
      if (step === 1) throw new RangeError('no memory');
    },
    0,
    (error) => problems.push(error),
  );
  update(snapshot(1));
  await turn();
  update(snapshot(2));
  await turn();
  expect(steps).toEqual([1, 2]);
  expect(problems).toEqual([new RangeError('no memory')]);
});

test('live: a late answer is not an error, and the same step is requested again', async () => {
  const steps: number[] = [];
  const problems: unknown[] = [];
  const update = live(
    async ({ step }) => {
      steps.push(step);
      if (steps.length === 1) throw Object.assign(new Error('gone'), { name: 'DisposedError' });
    },
    0,
    (error) => problems.push(error),
  );
  update(snapshot(1));
  await turn();
  update(snapshot(1));
  await turn();
  expect([steps, problems]).toEqual([[1, 1], []]);
});
