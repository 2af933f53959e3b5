import type { ExperimentContext, Reduced, Settings } from '../src/cli/experiment.ts';
import { curves } from '../src/report/blocks.ts';
import type { BlockInput } from '../src/report/content.ts';
import { type Training, testFigures } from '../src/report/training.ts';
import type { Dataset } from './e-data.ts';
import { type Architecture, names, network, smoke } from './e-networks.ts';
import { AccuracyCurve, meanOver, type Point, TrainingCurves } from './e-recorders.ts';
import { trainEach } from './seeds.ts';

// The trainings of E1, whose first layers E2 looks at.

/** What a scale cuts of the CNNs alone: they cost hundreds of times what an MLP does. */
export interface CnnSettings extends Settings {
  /** Steps from one recording to the next. */
  every: number;
  cnn: { epochs?: number; replicas?: number; validateEvery?: number };
}

export const settings: { full: CnnSettings; short: Reduced<CnnSettings>; smoke: Reduced<CnnSettings> } = {
  full: { epochs: 15, batchSize: 50, replicas: 10, every: 10, cnn: {} },
  short: {
    cnn: { epochs: 2, replicas: 3, validateEvery: 60 },
    cut: ['the CNNs: 3 models instead of 10, 2 epochs instead of 15, validated every 60 steps instead of 10'],
  },
  smoke: { ...smoke, every: 2, cut: ['recorded every 2 steps instead of 10'] },
};

/** An architecture's own settings. */
export function settingsOf({ epochs, replicas, every, cnn }: CnnSettings, name: Architecture) {
  if (!name.startsWith('cnn')) return { epochs, replicas, every, validateEvery: every };
  return {
    epochs: Math.min(epochs, cnn.epochs ?? epochs),
    replicas: Math.min(replicas, cnn.replicas ?? replicas),
    every,
    validateEvery: cnn.validateEvery ?? every,
  };
}

/** Images of a batch of validation: the accuracy is the same, and more at once take less time. */
const VALIDATION_BATCH = 100;

/** What is kept of a model. */
export interface Trial {
  steps: number[];
  loss: Point[];
  accuracy: Point[];
  validationSteps: number[];
  validationAccuracy: Point[];
  /** The kernel of the first layer. */
  firstLayer: number[];
}

/** Trains one of the five as often as the settings say. */
function trials(
  context: ExperimentContext<CnnSettings>,
  { train, validation, test }: Dataset,
  name: Architecture,
): Promise<Training<Trial>> {
  const { epochs, replicas, every, validateEvery } = settingsOf(context.settings, name);
  const training = new TrainingCurves(every);
  const validated = new AccuracyCurve(validateEvery, validation, Math.min(VALIDATION_BATCH, validation.size));
  return context.train<Trial>(name, {
    ...network(name),
    ...{ epochs, replicas, data: train, testData: test },
    callbacks: () => [training, validated],
    measure: async ({ index, weights }) => ({
      ...{ steps: training.steps, loss: training.curves.loss[index]!, accuracy: training.curves.accuracy[index]! },
      ...{ validationSteps: validated.steps, validationAccuracy: validated.curves.accuracy[index]! },
      firstLayer: Array.from(await weights(0), (value) => Number(value.toPrecision(5))),
    }),
    depends: { every, validateEvery },
  });
}

/** The trainings of all five. */
export async function allTrials(
  context: ExperimentContext<CnnSettings>,
  data: Dataset,
): Promise<{ name: Architecture; training: Training<Trial> }[]> {
  return trainEach(context, names, async (name) => ({ name, training: await trials(context, data, name) }));
}

/** The trial with the highest test accuracy, as the coursework chooses it. */
export function bestTrial(training: Training<Trial>): { index: number; accuracy: number; trial: Trial } {
  const accuracies = testFigures(training);
  const index = accuracies.indexOf(Math.max(...accuracies));
  return { index, accuracy: accuracies[index]!, trial: training.measured[index]! };
}

/** A curve of all five over steps, each the mean over its models. */
export const averaged = (
  all: readonly { name: Architecture; training: Training<Trial> }[],
  what: { name: string; title: string; label: string; log?: boolean },
  curve: (trial: Trial) => { steps: number[]; values: Point[] },
): BlockInput =>
  curves({
    name: what.name,
    title: what.title,
    x: { label: 'step' },
    y: { label: what.label, format: '.2f', log: what.log },
    show: 'each',
    lines: all.map(({ name, training: { measured } }) => ({
      run: name,
      series: what.label,
      x: curve(measured[0]!).steps,
      y: meanOver(measured.map((trial) => curve(trial).values)),
    })),
  });
