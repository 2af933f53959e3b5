import { expect, test } from 'vitest';
import { experiments } from '../../experiments/index.ts';
import { datasets } from '../../src/data/datasets.ts';

test('ids are unique', () => {
  const ids = experiments.map(({ id }) => id.toLowerCase());
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toContain('a1');
});

test.each(experiments.map((experiment) => [experiment.id, experiment] as const))(
  '%s has as many parameters as published, and fits its data set',
  (_id, experiment) => {
    const model = experiment.createModel();
    expect(model.countParams()).toBe(experiment.published.parameters);
    const { shape, classes } = datasets[experiment.dataset];
    expect(model).toMatchObject({ inputShape: shape, outputShape: [classes.length] });
  },
);
