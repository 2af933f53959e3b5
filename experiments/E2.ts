import type { Experiment } from '../src/cli/experiment.ts';
import { compare, paragraph, section, weightImages } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { classes, prepareDataset } from './e-data.ts';
import { names, network } from './e-networks.ts';
import { bestTrial, type CnnSettings, settings, trainAllArchitectures } from './e-trials.ts';
import { classMeans, mostSimilarClass, unitsOf } from './e-units.ts';

/** Options of the pictures. Each unit has its own color scale: with Adam, some weights are a hundred times larger than others. */
const pictureOptions = { width: 28, height: 28, columns: 8, ownScale: true };

/** E2: the first layers of E1's best trials. */
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
    const data = prepareDataset(context);
    const all = await trainAllArchitectures(context, data);
    const best = all.map(({ name, training }) => {
      const { index, accuracy, trial } = bestTrial(training);
      const units = unitsOf(trial.firstLayer, training.model.layers[0]!.kind === 'Flatten' ? 784 : 9);
      return { name, units, about: `${name}: seed ${training.seeds[index]}, test accuracy ${accuracyText(accuracy)}` };
    });
    const means = classMeans(data.images.train);
    const mlps = best
      .filter(({ units }) => units[0]!.length === 784)
      .map(({ name, units, about }) => ({
        name,
        about,
        units: units.map((values) => ({ values, ...mostSimilarClass(values, means, pictureOptions.width) })),
      }));
    return [
      section(
        'Results',
        compare(
          mlps.map(({ name, units }) => ({
            label: `units of ${name} (of ${units.length}) that look like a class or its negative`,
            published: 'some',
            ours: units.filter(({ similarity }) => Math.abs(similarity) > 0.5).length,
            unit: 'count' as const,
          })),
        ),
        paragraph(
          "The coursework judges by eye. Here a unit looks like a class if the correlation of its weights with the class's mean image (minus the mean of all five) is above 0.5 or below -0.5: 1 is the same picture, -1 its negative, 0 means no relation. Both are blurred first (each pixel becomes the mean of 5 x 5), because single weights are noisy. Below each picture are the most similar class and the correlation. Each picture has its own color scale.",
        ),
        weightImages(
          means.map((values, label) => ({ values, caption: classes[label]! })),
          { name: 'classes', title: 'Mean images of the classes, minus the mean of all', ...pictureOptions },
        ),
      ),
      section(
        'MLPs',
        ...mlps.map(({ name, about, units }) =>
          weightImages(
            units.map(({ values, label, similarity }) => ({
              values,
              caption: `${classes[label]} ${similarity.toFixed(2)}`,
            })),
            { name: `${name}-weights`, title: `${about}: weights of each unit`, ...pictureOptions },
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
