import type { Experiment, ExperimentContext } from '../src/cli/experiment.ts';
import { compare, confusionBlock, modelBlocks, section, trainingCurves } from '../src/report/blocks.ts';
import type { BlockInput, Section } from '../src/report/content.ts';
import type { Training } from '../src/report/training.ts';
import { comparisonOf, labelOf, type Published, publishedOf, settings, variationOf } from './b-variations.ts';
import { trainEach } from './seeds.ts';
import { type Confusion, networks, trainVgg, type VggName } from './vgg.ts';

/** An experiment of coursework B that trains variations of the small VGG. */
export interface VggExperiment {
  id: string;
  title: string;
  question: string[];
  published: string;
  names: readonly VggName[];
  /** Models of each variation at the full scale; default 1. */
  replicas?: number;
  /** Variations of which only one model is trained, as in the coursework: each takes over half an hour on two cores. */
  single?: readonly VggName[];
  /** Why a variation may be more than 2 points off. */
  why?: Partial<Record<string, string>>;
}

export function vggExperiment({ names, replicas = 1, single = [], why, ...about }: VggExperiment): Experiment {
  return {
    ...about,
    datasets: ['cifar10'],
    scales: { ...settings, full: { ...settings.full, replicas } },
    variations: names,
    networks: names.map((name) => networks[name]),
    async run(context) {
      const trained = await trainEach(context, names, (name) => {
        const fewer = single.includes(name) && context.settings.replicas === replicas;
        return trainVgg(context, name, fewer ? 1 : undefined);
      });
      return variationSections(context, about.id, trained, { why });
    },
  };
}

/** Returns the sections of the report of an experiment of coursework B. */
export function variationSections(
  context: ExperimentContext,
  id: string,
  trained: readonly Training<Confusion>[],
  { why = {}, remarks = [] }: { why?: Partial<Record<string, string>>; remarks?: BlockInput[] } = {},
): Section[] {
  const { classes } = context.images('cifar10').test;
  const titleOf = (training: Training) => `${id} ${labelOf(training)}`;
  const prefix = ({ name }: Training) => (trained.length > 1 ? name.replaceAll('.', '-') : undefined);
  return [
    section(
      'Results',
      compare(trained.flatMap((training) => comparisonOf(training, why[variationOf(training)!.name]))),
      remarks,
      ...trained.map((training) =>
        confusionBlock({
          name: [prefix(training) ?? [], 'confusion'].flat().join('-'),
          title: `${titleOf(training)}: test images after training`,
          subtitle: [`seed ${training.seeds[0]}`],
          classes,
          counts: training.measured[0]!,
        }),
      ),
    ),
    section(
      'Curves',
      ...trained.map((training) =>
        trainingCurves(training, {
          title: titleOf(training),
          prefix: prefix(training),
          validation: 'validation',
          published: { accuracy: accuracyRules(publishedOf(training)) },
        }),
      ),
    ),
    section(
      'Models',
      ...trained.map((training) => modelBlocks(training, { title: titleOf(training), prefix: prefix(training) })),
    ),
  ];
}

/** The published accuracies to draw as lines among the curves. */
const accuracyRules = ({ training, validation }: Published) => ({
  ...(training === undefined ? {} : { training }),
  ...(validation === undefined ? {} : { test: validation }),
});
