import type { Experiment } from '../src/cli/experiment.ts';
import { compare, paragraph, section, weightImages } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { classes, dataset } from './e-data.ts';
import { names, network } from './e-networks.ts';
import { allTrials, bestTrial, type CnnSettings, settings } from './e-trials.ts';
import { classMeans, likeness, unitsOf } from './e-units.ts';

/** Each unit in its own scale: Adam leaves some weights a hundred times larger than others. */
const drawn = { width: 28, height: 28, columns: 8, ownScale: true };

/** E2: what the first layers of E1's best trials look like. */
export const E2: Experiment<CnnSettings> = {
  id: 'E2',
  title: 'First-layer weights of the best trials',
  question: [
    'Do units of the first layer look like one of the classes? The weights are those of the trial of E1 with the highest test accuracy, for each architecture.',
  ],
  published: 'some units look like a class',
  datasets: ['fashion-mnist'],
  scales: settings,
  networks: names.map((name) => network(name)),

  async run(context) {
    const data = dataset(context);
    const all = await allTrials(context, data);
    const best = all.map(({ name, training }) => {
      const { index, accuracy, trial } = bestTrial(training);
      const units = unitsOf(trial.firstLayer, training.model.layers[0]!.kind === 'Flatten' ? 784 : 9);
      return { name, units, about: `${name}: seed ${training.seeds[index]}, test accuracy ${accuracyText(accuracy)}` };
    });
    const means = classMeans(data.images.train);
    const alike = best
      .filter(({ units }) => units[0]!.length === 784)
      .map(({ name, units, about }) => ({
        name,
        about,
        units: units.map((values) => ({ values, ...likeness(values, means, drawn.width) })),
      }));
    return [
      section(
        'Results',
        compare(
          alike.map(({ name, units }) => ({
            label: `units of ${name} (of ${units.length}) that look like a class or its negative`,
            published: 'some',
            ours: units.filter(({ likeness }) => Math.abs(likeness) > 0.5).length,
            unit: 'count' as const,
          })),
        ),
        paragraph(
          "The coursework goes by eye. Here a unit looks like a class when the correlation of its weights with the class's mean image (less the mean of all five) is above 0.5 or below -0.5: 1 is the same picture, -1 its negative, 0 has nothing to do with it. Both are blurred first, each pixel the mean of 5 x 5, as single weights are noise. Below each picture stands the class that it is most like, and the correlation; each is in a scale of colours of its own.",
        ),
        weightImages(
          means.map((values, label) => ({ values, caption: classes[label]! })),
          { name: 'classes', title: 'Mean images of the classes, less the mean of all', ...drawn },
        ),
      ),
      section(
        'MLPs',
        ...alike.map(({ name, about, units }) =>
          weightImages(
            units.map(({ values, label, likeness }) => ({
              values,
              caption: `${classes[label]} ${likeness.toFixed(2)}`,
            })),
            { name: `${name}-weights`, title: `${about}: weights of each unit`, ...drawn },
          ),
        ),
      ),
      section(
        'CNNs',
        ...best
          .filter(({ units }) => units[0]!.length === 9)
          .map(({ name, about, units }) =>
            weightImages(
              units.map((values) => ({ values })),
              { name: `${name}-filters`, title: `${about}: the filters`, width: 3, height: 3, columns: 8 },
            ),
          ),
      ),
      section('Data', data.about),
    ];
  },
};
