import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { kernelCases } from '../../bench/kernel-cases.ts';
import { stepCases } from '../../bench/steps.ts';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

const main = bundleBeforeTests('bench/main.ts');
const folder = mkdtempSync(join(tmpdir(), 'tilegrad-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const positive = z.number().positive();
/** The output on which users of `--json` rely, repeated here so that a change is noticed. */
const schema = z.object({
  adapter: z.string().min(1),
  driver: z.string(),
  ceilings: z.strictObject({ fmaGflops: positive, copyGBs: positive }),
  kernels: z.array(z.strictObject({ name: z.string(), ms: positive, gflops: positive, percentOfCeiling: positive })),
  steps: z.array(
    z.strictObject({
      name: z.string(),
      ms: positive,
      samplesPerSecond: positive,
      dispatches: positive,
      submits: positive,
      createdObjects: z.number().nonnegative(),
      peakBytes: positive,
    }),
  ),
});

describe('npm run bench', () => {
  test.each([
    { words: ['--only', 'gemm-256,foo'], said: 'no benchmark "foo"' },
    { words: ['--only', ''], said: 'no benchmark ""' },
    { words: ['--step', 'infer-lenet-10000'], said: 'no training step "infer-lenet-10000"' },
    { words: ['--rounds', '0'], said: '--rounds: must be a positive integer, but is 0' },
    { words: ['--fast'], said: '--fast' },
    { words: ['--variants', '--out', 'a.json'], said: '--out: cannot be combined with --variants' },
    { words: ['--compare', join(folder, 'missing.json')], said: 'missing.json' },
  ])('$words exits with 2 and the reason', async ({ words, said: message }) => {
    const { code, out, err } = await runToEnd([main, ...words]);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });

  test.each([
    { content: 'not JSON', said: 'cannot read' },
    { content: '{"adapter": "x", "kernels": []}', said: 'ceilings' },
  ])('--compare exits with 2 and the reason if the file is $content', async ({ content, said: message }) => {
    const path = join(folder, 'bad.json');
    writeFileSync(path, content);
    const { code, err } = await runToEnd([main, '--compare', path]);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });

  test('--list: names are unique and include those of the published table', async () => {
    const { out } = await runToEnd([main, '--list']);
    const names = out.trim().split('\n');
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual([...kernelCases.map(({ name }) => name), ...stepCases.map(({ name }) => name), 'start']);
    const promised = ['gemm-256', 'gemm-512', 'gemm-1024', 'gemm-2048'];
    promised.push(
      'mlp-b32-x10',
      'lenet-b256-x10',
      'mobilenet-b32',
      'mobilenet-recompute-b32',
      'mobilenet-finetune-b32',
      'mobilenet-infer',
    );
    promised.push('lenet-b256', 'vgg-b32', 'vgg-b128', 'mlp-b32', 'mlpbn-b32', 'infer-lenet-10000');
    expect(names).toEqual(expect.arrayContaining(promised));
  });
});

describeOnDevice('npm run bench on an adapter', () => {
  test('--json prints the documented object and nothing else; --compare reads it', async () => {
    const only = ['--only', 'gemm-256,mlp-adam,mlpbn-batch-norm', '--only', 'mlp-b32', '--rounds', '1'];
    const first = await runToEnd([main, ...only, '--json']);
    expect(first.code, first.err).toBe(0);
    const result = schema.parse(JSON.parse(first.out));
    expect(result.kernels.map(({ name }) => name)).toEqual([
      'gemm-256',
      'mlpbn-batch-norm-forward',
      'mlpbn-batch-norm-grad',
      'mlp-adam',
    ]);
    const { ms, gflops, percentOfCeiling } = result.kernels[0]!;
    expect(gflops).toBeCloseTo((2 * 256 ** 3) / ms / 1e6, 9);
    expect(percentOfCeiling).toBeCloseTo((100 * gflops) / result.ceilings.fmaGflops, 9);
    const [step] = result.steps;
    expect(step).toMatchObject({ name: 'mlp-b32', createdObjects: 0 });
    expect(step!.submits).toBeLessThanOrEqual(1); // short steps share one
    expect(step!.samplesPerSecond).toBeCloseTo(32_000 / step!.ms, 6);
    // Weights, gradients and both moments of 25,450 parameters at least; not the thousands of images.
    expect(step!.peakBytes).toBeGreaterThan(4 * 4 * 25_450);
    expect(step!.peakBytes).toBeLessThan(2 ** 20);

    const path = join(folder, 'old.json');
    writeFileSync(path, first.out);
    const written = join(folder, 'new.json');
    const words = ['--only', 'gemm-256', '--rounds', '1', '--compare', path, '--out', written];
    const second = await runToEnd([main, ...words]);
    expect(second.code, second.err).toBe(0);
    expect(schema.parse(JSON.parse(readFileSync(written, 'utf8'))).kernels).toMatchObject([{ name: 'gemm-256' }]);
    expect(second.out).toContain('then/now');
    expect(second.out).toMatch(/gemm-256 .* \d+\.\d\dx/);
    expect(second.out).toContain('100 * GFLOP/s / FMA ceiling');
  });

  test('--step shows every dispatch of a step', async () => {
    const { code, out, err } = await runToEnd([main, '--step', 'mlp-b32', '--rounds', '1']);
    expect(code, err).toBe(0);
    for (const kernel of ['gather_images', 'softmax_cross_entropy', 'adam']) expect(out).toContain(kernel);
  });

  test('--variants shows the reference first, and the speed of the others relative to it', async () => {
    const { code, out, err } = await runToEnd([main, '--variants', '--only', 'mlp-dense1-forward', '--rounds', '1']);
    expect(code, err).toBe(0);
    expect(out).toMatch(/mlp-dense1-forward +naive .* 1\.00x/);
  });
});
