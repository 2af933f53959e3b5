import { expect, test } from 'vitest';
import { courseworks, experiments } from '../../experiments/index.ts';
import { rowsOfCoursework } from '../../src/cli/choice.ts';

test('ids are unique, and every row belongs to a coursework', () => {
  const ids = [...experiments, ...courseworks].map(({ id }) => id.toLowerCase());
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toContain('a1');
  const belonging = courseworks.flatMap((one) => rowsOfCoursework(one, experiments));
  expect(new Set(belonging)).toEqual(new Set(experiments));
});
