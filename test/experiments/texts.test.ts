import { expect, test } from 'vitest';
import { endsAtChance } from '../../experiments/chance.ts';
import { groupRows } from '../../experiments/D0.ts';
import { finalErrorsExperiment } from '../../experiments/d-final-errors-experiment.ts';
import { ratioRows } from '../../experiments/E3.ts';
import { whyNotFastest } from '../../experiments/E4.ts';
import type { ExperimentContext } from '../../src/cli/experiment.ts';
import { SGD } from '../../src/index.ts';
import type { Training } from '../../src/report/training.ts';
import { trainingOf } from '../report/samples.ts';

// The texts about metrics: a reason only if it applies, and no mean over models with two different outcomes.

/** A model for each list of dead outputs, all with these metrics of the last epoch. */
const withAnswers = (dead: number[][], metrics: { loss: number; accuracy: number }[]) =>
  trainingOf({
    seeds: dead.map((_, i) => i + 1),
    histories: metrics.map((one) => [{ epoch: 1, ...one, valLoss: one.loss, valAccuracy: one.accuracy }]),
    evaluations: metrics,
    measured: dead.map((one) => ({ first: Array(10).fill(0), confusion: [], dead: one })),
  }) as Training<{ first: number[]; confusion: number[][]; dead: number[] }>;

test('a model is at chance if its last loss is that of a constant answer', () => {
  const histories = [1.6101, 0.2, Number.NaN, 1.65].map((loss) => [
    { epoch: 1, loss: 1.6094 },
    { epoch: 2, loss },
  ]);
  expect(endsAtChance({ histories }, 5)).toEqual([true, false, false, false]);
  expect(endsAtChance({ histories: [[{ epoch: 1, loss: 2.3028 }]] }, 10)).toEqual([true]);
});

test('E3: ratios of models that learned are reported apart from those at chance', () => {
  const comparison = (magnitudes: number[], learned: boolean[]) => ({ magnitudes, learned });
  const relu = comparison([10, 20, 10], [true, true, true]);
  const rows = (learned: boolean[]) =>
    ratioRows('a to b', null, comparison([5, 30, 0], learned), relu).map(({ label, ours }) => [label, ours]);
  expect(rows([true, true, true])).toEqual([['a to b', expect.closeTo(2 / 3)]]);
  expect(rows([true, true, false])).toEqual([
    ['a to b: all models', expect.closeTo(2 / 3)],
    ['a to b: the 2 of 3 that learned', 1],
  ]);
  expect(rows([false, false, false])).toEqual([['a to b: all at chance', expect.closeTo(2 / 3)]]);
});

test('E3: a ratio has a reason only if it is not below 1, as published', () => {
  const model = (magnitude: number) => ({ magnitudes: [magnitude], learned: [true] });
  const why = (published: string | null, of: number) => ratioRows('a to b', published, model(of), model(1))[0]!.why;
  expect(why('below 1', 0.9)).toBeUndefined();
  expect(why('below 1', 1)).toContain('Adam');
  expect(why(null, 2)).toBeUndefined();
});

test('D0: models with one dead output and without any are compared separately', () => {
  const metrics = [
    { loss: 0.013, accuracy: 0.94 },
    { loss: 0.021, accuracy: 0.85 },
    { loss: 0.023, accuracy: 0.86 },
    { loss: 0.06, accuracy: 0.4 },
  ];
  const rows = groupRows(withAnswers([[], [4], [9], [1, 2]], metrics));
  const of = (label: string) => rows.find((row) => row.label === label);
  expect(rows).toHaveLength(8);
  expect(of('test loss, models with one dead output')).toMatchObject({ ours: expect.closeTo(0.022, 9), runs: 2 });
  expect(of('test accuracy, models with no dead output')).toMatchObject({ ours: 0.94, runs: 1 });
  expect(of('test accuracy, models with no dead output')!.why).toContain('0.0210 to 0.0230');
  // Nothing to compare without both.
  expect(groupRows(withAnswers([[]], metrics.slice(0, 1)))).toEqual([]);
});

test.each([
  [0.033, false],
  [0.05, true],
])(
  'D2 to D4: dead outputs are given as a reason only for a largest error above the published range: %d',
  async (loss, expected) => {
    const ten = withAnswers(
      [[], [4]],
      [
        { loss: 0.01, accuracy: 0.96 },
        { loss, accuracy: 0.8 },
      ],
    );
    const row = finalErrorsExperiment({
      ...{ id: 'D4', title: 'Adam', question: [], range: [0.005, 0.045] },
      optimizer: () => new SGD({ learningRate: 0.1 }),
    });
    const context = {
      loaders: () => ({ train: null, test: null }),
      train: async () => ten,
    } as unknown as ExperimentContext;
    const compared = (await row.run(context)).flatMap(({ blocks }) =>
      blocks.flatMap((block) => (block.type === 'comparison' ? block.rows : [])),
    );
    const largest = compared.find(({ label }) => label.startsWith('largest'))!;
    expect(largest.ours).toBe(loss);
    expect(largest.why !== undefined).toBe(expected);
  },
);

test('E4: if the largest rate is not ahead after one epoch, the report states which is', () => {
  const rate = (label: string, accuracies: number[]) => ({
    label,
    training: trainingOf({ histories: accuracies.map((valAccuracy) => [{ epoch: 1, loss: 1, valAccuracy }]) }),
  });
  const slow = rate('rate 0.001', [0.8, 0.8]);
  const why = whyNotFastest([rate('rate 0.1', [0.9, 0.94]), rate('rate 0.01', [0.93, 0.93]), slow]);
  expect(why).toContain('rate 0.01 is at 0.9300, and the models of rate 0.1 are between 0.9000 and 0.9400');
  expect(why).not.toContain('rate 0.001');
  expect(whyNotFastest([rate('rate 0.1', [0.95]), slow])).toBeUndefined();
});
