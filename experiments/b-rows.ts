import type { Experiment, Lab } from '../src/cli/experiment.ts';
import { compare, confusionBlock, modelBlocks, section, trainingCurves } from '../src/report/blocks.ts';
import type { Section } from '../src/report/content.ts';
import type { Training } from '../src/report/training.ts';
import { comparisonOf, labelOf, type Published, publishedOf, settings } from './b.ts';
import { type Confusion, networks, trainVgg, type VggName } from './vgg.ts';

/** A row of coursework B that trains variations of the small VGG. */
export interface VggRow {
  id: string;
  title: string;
  question: string[];
  published: string;
  names: readonly VggName[];
  /** Models of each variation in full; default 1. */
  replicas?: number;
  /** Why a variation may be more than 2 points off. */
  why?: Partial<Record<VggName, string>>;
}

export function vggRow({ names, replicas = 1, why = {}, ...about }: VggRow): Experiment {
  return {
    ...about,
    datasets: ['cifar10'],
    scales: { ...settings, full: { ...settings.full, replicas } },
    variations: names,
    networks: names.map((name) => networks[name]),
    run: (lab) => runVggRow(lab, about.id, names, why),
  };
}

async function runVggRow(lab: Lab, id: string, names: readonly VggName[], why: Partial<Record<VggName, string>>) {
  const { test } = lab.images('cifar10');
  const trained: { name: VggName; training: Training<Confusion> }[] = [];
  for (const name of names) trained.push({ name, training: await trainVgg(lab, name) });
  const of = (training: Training) => `${id} ${labelOf(training)}`;
  const prefix = (name: VggName) => (names.length > 1 ? name : undefined);
  const sections: Section[] = [
    section(
      'Results',
      compare(trained.flatMap(({ name, training }) => comparisonOf(training, why[name]))),
      ...trained.map(({ name, training }) =>
        confusionBlock({
          name: prefix(name) === undefined ? 'confusion' : `${name}-confusion`.replaceAll('.', '-'),
          title: `${of(training)}: test images after training`,
          subtitle: [`seed ${training.seeds[0]}`],
          classes: test.classes,
          counts: training.measured[0]!,
        }),
      ),
    ),
    section(
      'Curves',
      ...trained.map(({ name, training }) => {
        return trainingCurves(training, {
          title: of(training),
          prefix: prefix(name),
          validation: 'validation',
          published: { accuracy: accuracyRules(publishedOf(training)) },
        });
      }),
    ),
    section(
      'Models',
      ...trained.map(({ name, training }) => modelBlocks(training, { title: of(training), prefix: prefix(name) })),
    ),
  ];
  return sections;
}

/** The published accuracies that belong to the curves. */
const accuracyRules = ({ training, validation }: Published) => ({
  ...(training === undefined ? {} : { training }),
  ...(validation === undefined ? {} : { test: validation }),
});
