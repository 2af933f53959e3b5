import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readRunRecord } from '../../src/report/report-files.ts';
import { describeOnDevice } from '../support/device.ts';
import { installPackage } from '../support/install-package.ts';
import { runToEnd } from '../support/process.ts';

// `tilegrad run FILE` and `tilegrad/report` as users run them: with the package in node_modules, in a separate process.

const { folder, command, write } = installPackage();
const run = (file: string, ...words: string[]) =>
  runToEnd([command, 'run', file, '--out', 'runs', ...words], { cwd: folder });

describe('an experiment file that does not load: the error has its line, as in Node', () => {
  test.each([
    [
      'syntax.mjs',
      'const a = 1;\nexport default {',
      /syntax\.mjs:2: it cannot be loaded: SyntaxError: Unexpected end of input/,
    ],
    ['throws.mjs', "\n\nthrow new Error('oh');", /throws\.mjs:3: it cannot be loaded: Error: oh/],
    ['import.mjs', "\nimport './none.mjs';", /import\.mjs:2: it cannot be loaded: Error: Cannot find module/],
    [
      'package.mjs',
      "import 'no-such-package';",
      /it cannot be loaded: .*; install it, with npm install no-such-package/,
    ],
    ['name.mjs', "import { nothing } from 'tilegrad/report';", /it cannot be loaded: SyntaxError: .*'nothing'/],
  ])('%s', async (name, text, says) => {
    const { code, err } = await run(`./${write(name, text)}`);
    expect(code).toBe(2);
    expect(err).toMatch(says);
    expect(err).not.toContain('bug in tilegrad');
    expect(existsSync(join(folder, 'runs'))).toBe(false);
  });

  test('in TypeScript, on a Node that does not read it', async () => {
    const text = "export default { id: 'typed', title: 'x' as string, run: async () => [] };";
    const { code, err } = await run(write('typed.ts', text));
    if ('typescript' in process.features && process.features.typescript)
      expect({ code, err }).toEqual({ code: 0, err: '' });
    else {
      expect(code).toBe(2);
      expect(err).toMatch(/typed\.ts: it cannot be loaded: .*runs JavaScript alone: compile it first/);
    }
  });
});

const EXPERIMENT = `import { Adam, Dense, Flatten, Sequential } from 'tilegrad/node';
import { compare, defineExperiment, measuredRow, plotConfusionMatrix, plotHistory, plotModel, section, testFigures } from 'tilegrad/report';

export default defineExperiment({
  id: 'my-mlp',
  title: 'An MLP on MNIST',
  datasets: ['mnist'],
  scales: { full: { epochs: 2, batchSize: 64, replicas: 2, limit: 640, testLimit: 100, units: 8 } },
  async run(context) {
    const { train, test } = context.loaders('mnist');
    const { classes } = context.images('mnist').test;
    const trained = await context.train('mlp', {
      createModel: () =>
        new Sequential([
          new Flatten({ inputShape: [28, 28, 1] }),
          new Dense({ units: context.settings.units, activation: 'relu' }),
          new Dense({ units: 10, activation: 'softmax' }),
        ]),
      compile: () => ({ optimizer: new Adam(), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] }),
      data: train,
      validationData: test,
      measure: ({ confusion }) => confusion(test),
    });
    if (process.env.FAIL) throw new Error('after the training');
    return [
      section('Results', 'What \`mlp\` learned.', compare([measuredRow('test accuracy', null, testFigures(trained))])),
      section('Curves', plotHistory(trained), plotConfusionMatrix(trained.measured[0], { classes })),
      section('Model', plotModel(trained.model)),
    ];
  },
});
`;

describeOnDevice('on an adapter', () => {
  test('an experiment in a file trains, writes a report, and resumes after an error without training again', async () => {
    const file = `./${write('my-experiment.mjs', EXPERIMENT)}`;
    const failed = await runToEnd([command, 'run', file, '--out', 'runs'], { cwd: folder, env: { FAIL: '1' } });
    expect(failed.code).toBe(2);
    expect(failed.err).toMatch(/my-experiment\.mjs:\d+: in run: Error: after the training/);
    const { code, out, err } = await run(file, '--resume');
    expect(code, err).toBe(0);
    expect(out).toContain('my-mlp: mlp is done already');
    expect(out).toMatch(/my-mlp +│ +measured/);
    const [runFolder, ...others] = readdirSync(join(folder, 'runs')).filter((name) => name.endsWith('-my-mlp'));
    expect(others).toEqual([]);
    const record = readRunRecord(join(folder, 'runs', runFolder!));
    expect(record.trainings).toMatchObject([{ name: 'mlp', seeds: [1, 2], epochs: 2, batchSize: 64, kept: true }]);
    const page = readFileSync(join(folder, 'runs', runFolder!, 'report.html'), 'utf8');
    expect(page).toContain('<p>What <code>mlp</code> learned.</p>');
    for (const name of ['history-loss', 'history-accuracy', 'confusion-matrix', 'model'])
      expect(page).toContain(`<figure id="${name}">`);
    const { counts } = JSON.parse(
      readFileSync(join(folder, 'runs', runFolder!, 'figures/confusion-matrix.json'), 'utf8'),
    );
    expect((counts as number[][]).flat().reduce((sum, n) => sum + n, 0)).toBe(100);
  });

  test('a script of two lines plots its training as SVG, PNG and HTML', async () => {
    const script = write(
      'plots.mjs',
      `import { confusionMatrix, Dense, Flatten, ImageLoader, loadDataset, openDevice, Sequential } from 'tilegrad/node';
      import { createReport, plotConfusionMatrix, plotFilters, plotHistory, plotImages, plotModel, section } from 'tilegrad/report';
      const device = await openDevice();
      const { train } = await loadDataset('mnist', { limit: 256 });
      const data = new ImageLoader(device, train);
      const model = new Sequential([new Flatten({ inputShape: [28, 28, 1] }), new Dense({ units: 10, activation: 'softmax' })])
        .build(device, { seed: 1 })
        .compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
      const history = await model.fit(data, { epochs: 1, batchSize: 64 });
      await plotHistory(history).save('plots/curves.svg');
      await plotConfusionMatrix(await confusionMatrix(model, data), { classes: train.classes }).save('plots/confusion.png');
      await plotModel(model).save('plots/model.html');
      await plotImages(train, { count: 10 }).save('plots/images.svg');
      const [kernel] = await model.getWeights();
      const filters = plotFilters(kernel, { inputShape: [28, 28, 1] });
      await createReport({ title: 'All', sections: [section('Weights', filters), section('Curves', plotHistory(history))] }).save('plots/all.html');
      device.dispose();`,
    );
    const { code, err } = await runToEnd([script], { cwd: folder });
    expect(code, err).toBe(0);
    expect(readdirSync(join(folder, 'plots')).sort()).toEqual([
      'all.html',
      'confusion.png',
      'curves.svg',
      'images.svg',
      'model.html',
    ]);
    const text = (name: string) => readFileSync(join(folder, 'plots', name), 'utf8');
    expect(text('images.svg').match(/<image /g)).toHaveLength(10);
    expect(text('curves.svg')).toContain('>Training: accuracy<');
    expect(text('all.html')).toContain('unit 9');
    expect(readFileSync(join(folder, 'plots/confusion.png')).subarray(1, 4).toString()).toBe('PNG');
  });
});
