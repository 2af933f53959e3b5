import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, expect, test } from 'vitest';
import { loadSafetensors } from '../src/node.ts';
import { pretrainedFile } from './experiments/pretrained.ts';
import { describeOnDevice } from './support/device.ts';
import { runToEnd } from './support/process.ts';

const examples = join(import.meta.dirname, '..', 'examples');
const folder = mkdtempSync(join(tmpdir(), 'tilegrad-examples-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs an example as a reader does: with the built package, in a separate process, which must end by itself. */
async function run(name: string, words: string[] = [], variables: Record<string, string> = {}): Promise<string> {
  const env = { TILEGRAD_DATA: '', TILEGRAD_CACHE: join(folder, 'cache'), ...variables };
  const { code, out, err } = await runToEnd([join(examples, name), ...words], { cwd: folder, env });
  expect(code, err).toBe(0);
  return out;
}

/** The numbers behind a word, in their order. */
const numbersAfter = (text: string, word: string): number[] =>
  [...text.matchAll(new RegExp(`${word}:? (-?[\\d.]+)`, 'g'))].map(([, digits]) => Number(digits));

describeOnDevice('the examples', () => {
  test('csv.mjs: finds the relation between the columns', async () => {
    const spread = (i: number, step: number) => (i * step) % 1;
    const lines = Array.from({ length: 300 }, (_, i) => {
      const [humidity, pressure] = [30 + 70 * spread(i, 0.618034), 980 + 60 * spread(i, 0.754878)];
      const wind = ['north', 'south', 'west'][i % 3]!;
      const rain = (humidity - 65) / 15 - (pressure - 1010) / 15 + Number(wind === 'west') > 0 ? 'yes' : 'no';
      return `${(30 * spread(i, 0.56984)).toFixed(1)},${humidity.toFixed(0)},${pressure.toFixed(0)},${wind},${rain}`;
    });
    const path = join(folder, 'weather.csv');
    const gaps = [
      '20.1,NA,1000,west,yes',
      '20.1,60,,west,no',
      '20.1,60,1000,,yes',
      '20.1,60,1000,west,',
      '20,6O,990,NA,no',
    ];
    writeFileSync(path, ['temperature,humidity,pressure,wind,rain', ...gaps, ...lines].join('\n'));
    const out = await run('csv.mjs', [path]);
    expect(out).toContain('300 of 305 rows are complete');
    for (const name of ['accuracy', 'precision', 'recall']) expect(numbersAfter(out, name)[0]).toBeGreaterThan(0.85);
  });

  test.each([
    ['csv.mjs', 'usage: node examples/csv.mjs weather.csv'],
    ['own-images.mjs', 'usage: node examples/own-images.mjs shapes'],
  ])('%s: without its argument, prints its usage', async (name, says) => {
    const { code, err } = await runToEnd([join(examples, name)], { cwd: folder });
    expect(err).toContain(says);
    expect(err.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(2);
  });

  test('regression.mjs: fits the sine, with metrics that agree with each other', async () => {
    const out = await run('regression.mjs');
    const [bias, r2, rmse, loss] = ['bias', 'r2Score', 'rootMeanSquaredError', 'loss'].map(
      (name) => numbersAfter(out, name)[0]!,
    );
    expect(Math.abs(bias!)).toBeLessThan(0.1);
    expect(r2).toBeGreaterThan(0.9);
    expect(rmse).toBeCloseTo(Math.sqrt(loss!), 5);
    const points = [...out.matchAll(/(-?[\d.]+) \(sine (-?[\d.]+)\)/g)].map(
      ([, output, sine]) => Number(output) - Number(sine),
    );
    expect(points).toHaveLength(3);
    for (const difference of points) expect(Math.abs(difference)).toBeLessThan(0.1);
  });

  test('own-images.mjs: distinguishes circles from squares', async () => {
    const shapes = join(folder, 'shapes');
    for (const [name, shape] of [
      ['circle', '<circle cx="20" cy="20" r="14"/>'],
      ['square', '<rect x="6" y="6" width="28" height="28"/>'],
    ] as const) {
      mkdirSync(join(shapes, name), { recursive: true });
      for (let i = 0; i < 24; i++) {
        const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" fill="hsl(${15 * i},80%,40%)">${shape}</svg>`;
        await sharp(Buffer.from(svg))
          .flatten({ background: 'white' })
          .toFile(join(shapes, name, `${i}.${i % 2 ? 'png' : 'jpg'}`));
      }
    }
    const out = await run('own-images.mjs', [shapes]);
    expect(out).toContain('circle, square: 36 pictures to train on, 12 to test');
    expect(numbersAfter(out, 'test accuracy')[0]).toBeGreaterThan(0.8);
  });

  test('own-loop.mjs: the focal loss decreases, and the network has learned', async () => {
    const out = await run('own-loop.mjs');
    const losses = numbersAfter(out, 'loss');
    expect(losses).toHaveLength(3);
    expect(losses[2]).toBeLessThan(losses[0]!);
    expect(numbersAfter(out, 'test accuracy')[0]).toBeGreaterThan(0.8);
  });

  test('tensorboard-and-plots.mjs: writes curves, a report with four sections, and logs', async () => {
    const words = [join(folder, 'digits')];
    const out = await run('tensorboard-and-plots.mjs', words);
    expect(out.trim()).toBe(join(words[0]!, 'report.html'));
    const page = readFileSync(out.trim(), 'utf8');
    for (const title of ['Curves', 'Mistakes', 'Filters of the first layer', 'Model'])
      expect(page).toContain(`>${title}</h2>`);
    expect(readFileSync(join(words[0]!, 'curves.svg'), 'utf8')).toContain('<svg');
    expect(readdirSync(join(words[0]!, 'logs')).sort()).toEqual(['train', 'validation']);
  });

  test('own-layer.mjs: has the weights of its layer, and learns', async () => {
    const out = await run('own-layer.mjs');
    expect(out).toContain('25,152'); // 784 x 32 directions, 32 lengths, 32 biases
    expect(numbersAfter(out, 'accuracy')[0]).toBeGreaterThan(0.8);
  });

  test('replicas.mjs: the lowest rate learns least', async () => {
    const accuracies = numbersAfter(await run('replicas.mjs'), 'accuracy');
    expect(accuracies).toHaveLength(8);
    expect(Math.max(...accuracies.slice(0, 2))).toBeLessThan(Math.min(...accuracies.slice(4, 6)));
  });

  test('search.mjs: prints the best trial; a second run trains nothing', async () => {
    const words = [join(folder, 'search')];
    const first = await run('search.mjs', words);
    const scores = numbersAfter(first, 'trial \\d+');
    expect(scores).toHaveLength(10);
    // The summary has the score; the saved model has the same score.
    expect(numbersAfter(first, 'the best again')).toEqual([Math.max(...scores)]);
    const second = await run('search.mjs', words);
    expect(numbersAfter(second, 'trial \\d+')).toEqual([]);
    expect(first.endsWith(second)).toBe(true);
  });

  test('save-and-load.mjs: the second run starts where the first ended', async () => {
    const words = [join(folder, 'mnist.safetensors')];
    const [first, second] = [await run('save-and-load.mjs', words), await run('save-and-load.mjs', words)];
    const [untrained, trained] = numbersAfter(first, 'accuracy');
    expect(untrained).toBeLessThan(0.4);
    expect(trained).toBeGreaterThan(0.8);
    expect(numbersAfter(second, 'accuracy')[0]).toBe(trained);
    expect([...loadSafetensors(words[0]!).tensors.keys()].filter((name) => name.startsWith('dense'))).toHaveLength(4);
  });

  test('transfer-learning.mjs: the layer behind the extractor learns', async () => {
    // Random weights replace the published ones, which are not in the repository.
    const weights = mkdtempSync(join(folder, 'weights-'));
    pretrainedFile(weights, { alpha: 0.35, rows: 96 });
    const losses = numbersAfter(await run('transfer-learning.mjs', [], { TILEGRAD_WEIGHTS: weights }), 'loss');
    expect(losses).toHaveLength(8);
    expect(losses[7]).toBeLessThan(losses[0]!); // by little: with random weights, features are near 0
  });
});

test('every example has a test', () => {
  const tests = readFileSync(import.meta.filename, 'utf8');
  const names = readdirSync(examples).filter((name) => name !== 'deno.mjs'); // which test/deno.test.ts runs
  expect(names.filter((name) => !tests.includes(`run('${name}'`))).toEqual([]);
});
