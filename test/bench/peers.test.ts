import { describe, expect, test } from 'vitest';
import { mobilenetFinetune } from '../../bench/mobilenet.ts';
import { findDifference, peersTable } from '../../bench/peers/compare.ts';
import { EngineProcess } from '../../bench/peers/process.ts';
import { initialLimit, kernelShapes, workloads } from '../../bench/peers/workloads.ts';
import type { Model } from '../../src/node.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

const main = bundleBeforeTests('bench/peers/main.ts');

describe('npm run bench:peers', () => {
  test.each([
    { theirs: [2.3, 2.1], ours: [2.3001, 2.1], differs: null },
    { theirs: [0.000002, 1], ours: [0, 1], differs: null },
    { theirs: [2.3, 2.11], ours: [2.3, 2.1], differs: 'value 2' },
    { theirs: [Number.NaN], ours: [Number.NaN], differs: 'value 1' },
    // JSON has no NaN: it travels as null.
    { theirs: [null], ours: [null], differs: 'value 1' },
    { theirs: [2.3], ours: [2.3, 2.1], differs: '1 values' },
    { theirs: [], ours: [], differs: '0 values' },
  ])('disagreement: of $theirs from $ours', ({ theirs, ours, differs }) => {
    const found = findDifference(theirs, ours);
    if (differs === null) expect(found).toBeNull();
    else expect(found).toContain(differs);
  });

  test('peersTable: marks an engine that computes something else, or fails', () => {
    const took = { ms: 2, rounds: 3, runs: 5, check: [1] };
    const engines = {
      tilegrad: took,
      tfjs: { ...took, ms: 5, differs: 'figure 1 is 2, and 1 of tilegrad' },
      jax: { error: 'out of memory\nat line 3' },
    };
    const text = peersTable({ tilegrad: '1', tfjs: '2', jax: '3' }, [{ name: 'w', what: 'fit', size: 1, engines }]);
    expect(text).toMatch(/tfjs-webgpu 2 .* 2\.50x .*NO/);
    expect(text).toContain('tfjs-webgpu 2 DIFFERS at w: figure 1 is 2, and 1 of tilegrad');
    expect(text).toContain('jax-js webgpu 3 failed at w: out of memory\n');
  });

  test.each([
    ['lenet-b256', 62_006 - 236],
    ['vgg-b32', 435_434 - (2 * 32 + 2 * 64 + 2 * 128 + 256 + 64 + 10)],
    ['mlp-b32', 25_450 - 42],
    ['mlpbn-b32', 784 * 128 + 4 * 128 * 128 + 1280],
    // Of mobileNetV2's 2,257,984 weights without its top, those that are no gamma, beta, mean or variance.
    ['mobilenet-b32', 2_257_984 - 4 * 17_056 + 1280 * 10],
    ['mobilenet-finetune-b32', 2_257_984 - 4 * 17_056 + 3 * 3 * 1280 * 256 + 256 * 64 + 640],
    ['gemm-1024', 2 * 1024 ** 2],
  ])('kernelShapes: the kernels of %s have %i elements', (name, elements) => {
    const shapes = kernelShapes(workloads.find((one) => one.name === name)!);
    const sizes = shapes.map((shape) => shape.reduce((product, n) => product * n, 1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(elements);
  });

  test('workloads: freeze the layers before block_4_expand, as many of each kind as in tilegrad', () => {
    const { layers } = workloads.find(({ name }) => name === 'mobilenet-finetune-b32')!;
    const fixed = layers.slice(
      0,
      layers.findIndex(({ kind }) => kind === 'trainFrom'),
    );
    const flat = fixed.flatMap((layer) => (layer.kind === 'residual' ? layer.layers : [layer]));
    const frozen = mobilenetFinetune(true).layers[2] as Model;
    for (const [kind, name] of [
      ['conv', 'Conv2D'],
      ['depthwise', 'DepthwiseConv2D'],
      ['batchNorm', 'BatchNormalization'],
      ['relu6', 'ReLU'],
    ] as const) {
      const ours = frozen.layers.filter((layer) => layer.kind === name && !layer.trainable);
      expect(flat.filter((layer) => layer.kind === kind)).toHaveLength(ours.length);
      expect(ours.length).toBeGreaterThan(0);
    }
  });

  test('EngineProcess: starts an engine again that does not answer in time, or exits', async () => {
    const program = `
      console.log('{"version":"7"}');
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        if (line.includes('end')) process.exit(1);
        if (!line.includes('hang')) console.log('a greeting\\n{"ms":3}');
      });`;
    const engine = new EngineProcess('peer', process.execPath, ['-e', program], 5000);
    await engine.start();
    expect(engine.version).toBe('7');
    await expect(engine.ask({ do: 'hang' })).rejects.toThrow('peer: no answer within 5 s');
    await engine.start();
    expect(await engine.ask({ do: 'run' })).toEqual({ ms: 3 });
    await expect(engine.ask({ do: 'end' })).rejects.toThrow('peer ended without an answer');
    await engine.start();
    expect(await engine.ask({ do: 'run' })).toEqual({ ms: 3 });
    engine.end();
  });

  test("initialLimit: is that of Glorot's and of He's initializers", () => {
    expect(initialLimit('glorot', [3, 3, 16, 32])).toBeCloseTo(Math.sqrt(6 / (9 * 48)), 12);
    expect(initialLimit('he', [3, 3, 16, 32])).toBeCloseTo(Math.sqrt(6 / (9 * 16)), 12);
    expect(initialLimit('he', [3, 3, 16, 1])).toBeCloseTo(Math.sqrt(6 / 9), 12); // a filter of a channel by itself
  });

  test.each([
    { words: ['--only', 'foo'], said: 'no benchmark "foo"' },
    { words: ['--engine', 'caffe'], said: 'no benchmark "caffe"' },
    { words: ['--rounds', '1.5'], said: '--rounds: must be a positive integer, but is 1.5' },
  ])('$words exits with 2 and the reason', async ({ words, said: message }) => {
    const { code, out, err } = await runToEnd([main, ...words]);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });
});
