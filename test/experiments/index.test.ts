import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { courseworks, experiments } from '../../experiments/index.ts';
import { experimentsOf } from '../../src/cli/run-target.ts';

test('every experiment belongs to a coursework', () => {
  const belonging = courseworks.flatMap((one) => experimentsOf(one, experiments));
  expect(new Set(belonging)).toEqual(new Set(experiments));
});

test.each(courseworks.map(({ id }) => id))('coursework %s has a test at scale smoke', (id) => {
  expect(existsSync(new URL(`smoke-${id.toLowerCase()}.test.ts`, import.meta.url))).toBe(true);
});
