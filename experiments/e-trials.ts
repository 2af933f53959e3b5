import type { ExperimentContext, Reduced, Settings } from '../src/cli/experiment.ts';
import { curves } from '../src/report/blocks.ts';
import type { BlockInput } from '../src/report/content.ts';
import { type Training, testFigures } from '../src/report/training.ts';
import type { Dataset } from './e-data.ts';
import { type Architecture, names, network, smoke } from './e-networks.ts';
import { AccuracyCurve, meanOver, type Point, TrainingCurves } from './e-recorders.ts';
import { trainEach } from './seeds.ts';

// The trainings of E1, whose first layers E2 shows.

/** Settings with separate cuts for the CNNs, which take hundreds of times as long as an MLP. */
export interface CnnSettings extends Settings {
  /** Steps between recordings. */
  every: number;
  /** Cuts for the CNNs. */
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

/** Returns the settings of an architecture. */
export function settingsOf({ epochs, replicas, every, cnn }: CnnSettings, name: Architecture) {
  if (!name.startsWith('cnn')) return { epochs, replicas, every, validateEvery: every };
  return {
    epochs: Math.min(epochs, cnn.epochs ?? epochs),
    replicas: Math.min(replicas, cnn.replicas ?? replicas),
    every,
    validateEvery: cnn.validateEvery ?? every,
  };
}

/** Images of a validation batch. The accuracy does not depend on it, and larger batches are faster. */
const VALIDATION_BATCH = 100;

/** Saved measurements of a model. */
export interface Trial {
  steps: number[];
  loss: Point[];
  accuracy: Point[];
  validationSteps: number[];
  validationAccuracy: Point[];
  /** The kernel of the first layer. */
  firstLayer: number[];
}

/** Trains the models of one architecture. */
function trainArchitecture(
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

/** Trains all five architectures. */
export async function trainAllArchitectures(
  context: ExperimentContext<CnnSettings>,
  data: Dataset,
): Promise<{ name: Architecture; training: Training<Trial> }[]> {
  return trainEach(context, names, async (name) => ({ name, training: await trainArchitecture(context, data, name) }));
}

/** Returns the trial with the highest test accuracy, which the coursework chooses, too. */
export function bestTrial(training: Training<Trial>): { index: number; accuracy: number; trial: Trial } {
  const accuracies = testFigures(training);
  const index = accuracies.indexOf(Math.max(...accuracies));
  return { index, accuracy: accuracies[index]!, trial: training.measured[index]! };
}

/** Plots a curve of all five architectures over steps, each the mean over its models. */
export const meanCurves = (
  all: readonly { name: Architecture; training: Training<Trial> }[],
  plot: { name: string; title: string; label: string; log?: boolean },
  curve: (trial: Trial) => { steps: number[]; values: Point[] },
): BlockInput =>
  curves({
    name: plot.name,
    title: plot.title,
    x: { label: 'step' },
    y: { label: plot.label, format: '.2f', log: plot.log },
    show: 'each',
    lines: all.map(({ name, training: { measured } }) => ({
      run: name,
      series: plot.label,
      x: curve(measured[0]!).steps,
      y: meanOver(measured.map((trial) => curve(trial).values)),
    })),
  });
