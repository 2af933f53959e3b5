import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadSafetensors } from '../src/node.ts';
import { pretrainedFile } from './experiments/pretrained.ts';
import { describeOnDevice } from './support/device.ts';
import { runToEnd } from './support/process.ts';

const examples = join(import.meta.dirname, '..', 'examples');
const folder = mkdtempSync(join(tmpdir(), 'tilegrad-examples-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs an example as its reader does: with the built package, in a process of its own, which has to end by itself. */
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

  test('search.mjs: ends with the best trial, and begun again trains nothing', async () => {
    const words = [join(folder, 'search')];
    const first = await run('search.mjs', words);
    const scores = numbersAfter(first, 'trial \\d+');
    expect(scores).toHaveLength(10);
    // The summary's word for it is the score; the model that was kept has it again.
    expect(numbersAfter(first, 'the best again')).toEqual([Math.max(...scores)]);
    const second = await run('search.mjs', words);
    expect(numbersAfter(second, 'trial \\d+')).toEqual([]);
    expect(first.endsWith(second)).toBe(true);
  });

  test('save-and-load.mjs: the second run begins where the first ended', async () => {
    const words = [join(folder, 'mnist.safetensors')];
    const [first, second] = [await run('save-and-load.mjs', words), await run('save-and-load.mjs', words)];
    const [untrained, trained] = numbersAfter(first, 'accuracy');
    expect(untrained).toBeLessThan(0.4);
    expect(trained).toBeGreaterThan(0.8);
    expect(numbersAfter(second, 'accuracy')[0]).toBe(trained);
    expect([...loadSafetensors(words[0]!).tensors.keys()].filter((name) => name.startsWith('dense'))).toHaveLength(4);
  });

  test('transfer-learning.mjs: the layer behind the extractor learns', async () => {
    // Weights that are drawn stand in for the published ones, which stay out of the repository.
    const weights = mkdtempSync(join(folder, 'weights-'));
    pretrainedFile(weights, { alpha: 0.35, rows: 96 });
    const losses = numbersAfter(await run('transfer-learning.mjs', [], { TILEGRAD_WEIGHTS: weights }), 'loss');
    expect(losses).toHaveLength(8);
    expect(losses[7]).toBeLessThan(losses[0]!); // by little: drawn weights leave features near 0
  });
});

test('every example has a test', () => {
  const tests = readFileSync(import.meta.filename, 'utf8');
  const names = readdirSync(examples).filter((name) => name !== 'deno.mjs'); // which test/deno.test.ts runs
  expect(names.filter((name) => !tests.includes(`run('${name}'`))).toEqual([]);
});
