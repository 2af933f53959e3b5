import { expect, test } from 'vitest';
import { courseworks, experiments } from '../../experiments/index.ts';
import { experimentsOf } from '../../src/cli/run-target.ts';
import { settingsFor } from '../../src/cli/settings.ts';

test('the experiments of coursework A take a learning rate', () => {
  const courseworkA = experiments.filter(({ id }) => /^A\d/.test(id));
  expect(courseworkA.length).toBeGreaterThan(0);
  for (const one of courseworkA) {
    const settings = settingsFor(one, { id: one.id, scale: 'smoke', seed: 1, learningRate: 0.5 });
    expect(settings.learningRate).toBe(0.5);
  }
});

test('ids are unique, and every experiment belongs to a coursework', () => {
  const ids = [...experiments, ...courseworks].map(({ id }) => id.toLowerCase());
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toContain('a1');
  const belonging = courseworks.flatMap((one) => experimentsOf(one, experiments));
  expect(new Set(belonging)).toEqual(new Set(experiments));
});
